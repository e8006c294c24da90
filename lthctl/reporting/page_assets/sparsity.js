// Sparsity asked for and reached.

function drawSparsity() {
  const most = d3.max(group.sparsity, (of) => of.rounds) ?? 0;
  const unique = grouped(group.sparsity, (of) => JSON.stringify([of.desired, of.actual])).map(
    ([, all]) => all,
  );
  const names = (all) => {
    const found = [...new Set(all.map((of) => of.ticket))];
    const box = make("span", {}, found[0]);
    if (found.length > 1)
      box.append(make("br"), make("small", {}, `and ${found.slice(1).join(", ")}`));
    return box;
  };
  const pair = (asked, got) =>
    asked === undefined
      ? null
      : make("span", {}, points(got), make("br"), make("small", {}, `asked ${points(asked)}`));
  fillTable(
    find("rounds"),
    ["ticket", ...d3.range(most).map((i) => ({ text: `after round ${i + 1}`, right: true }))],
    unique.map((all) => ({
      cells: [names(all), ...d3.range(most).map((i) => pair(all[0].desired[i], all[0].actual[i]))],
    })),
  );
  drawLayers();
}

function drawLayers() {
  const name = (row) => `${row[0]}, ratio ${ratioText(row[2])}, ${roundsOf(row[1])}`;
  const tickets = [...new Set(group.layers.map(name))];
  if (!tickets.length) {
    put(
      "layer-controls",
      make(
        "p",
        { class: "note" },
        "Sparsity per layer comes from the tickets, and none was found. " +
          "Say with --masks where they are.",
      ),
    );
    return put("layers");
  }
  const ticket = tickets.includes(state.ticket) ? state.ticket : tickets[0];
  put(
    "layer-controls",
    select(
      "layers of",
      tickets.map((of) => [of, of]),
      ticket,
      chooses("ticket", drawLayers),
    ) ?? make("h3", {}, `Layers of ${ticket}`),
  );
  const rows = group.layers.filter((row) => name(row) === ticket);
  const rounds = distinct(rows.map((row) => row[3]));
  fillTable(
    find("layers"),
    [
      "layer",
      { text: "weights", right: true },
      { text: "kept", right: true },
      ...rounds.map((number) => ({ text: `after round ${number}`, right: true })),
    ],
    grouped(rows, (row) => row[4]).map(([layer, after]) => ({
      cells: [
        layer,
        count(after[0][5]),
        d3.format(",.5~r")(after.at(-1)[7]),
        ...rounds.map((number) => {
          const row = after.find((of) => of[3] === number);
          return row
            ? make(
                "span",
                {},
                points(row[8]),
                make("br"),
                make("small", {}, `asked ${points(row[6])}`),
              )
            : null;
        }),
      ],
    })),
  );
}
