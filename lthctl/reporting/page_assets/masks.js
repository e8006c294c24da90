// What the masks look like.

function drawMasks() {
  const missing = group.missing.length;
  find("masks-lede").hidden = !group.pixels.length;
  put("masks-note", missing ? missingNote(group.missing) : "");
  const byRatio = grouped(group.pixels, (row) => `${row[1]} ${row[2]}`);
  put(
    "pixels",
    ...grouped(byRatio, ([, [row]]) => row[1]).map(([rounds, ratios]) =>
      make(
        "div",
        {},
        make("h3", {}, roundsOf(rounds)),
        make("div", { class: "pixels" }, ...ratios.map(([, rows]) => pixelPair(rows))),
      ),
    ),
  );
  drawKernels();
  drawKept();
  drawCommon();
  put("masks-save", saveMasks());
}

function missingNote(tickets) {
  const [is, it] = tickets.length === 1 ? ["is", "it"] : ["are", "them"];
  const names = tickets.slice(0, 8).join(", ") + (tickets.length > 8 ? ", …" : "");
  return (
    `${plural(tickets.length, "ticket")} of these runs ${is} not in the folder of masks. ` +
    `The pictures and tables of masks leave ${it} out: ${names}. ` +
    "Say where they are: lthctl report --masks DIR."
  );
}

function pixelPair(rows) {
  const most = d3.max(rows, (row) => d3.max(row[4])) || 1;
  const gradient = `linear-gradient(90deg, ${d3
    .range(0, 1.01, 0.125)
    .map((t) => shade(t))
    .join(", ")})`;
  return make(
    "div",
    {},
    make("h4", {}, `ratio ${ratioText(rows[0][2])}`),
    make("div", { class: "pair" }, ...rows.map((row) => pixelPicture(row, most))),
    make("div", { class: "scale", style: `background:${gradient}` }),
    make(
      "div",
      { class: "ends" },
      make("span", {}, "0"),
      make("span", {}, `${Math.round(most)} weights`),
    ),
  );
}

function pixelPicture([method, , ratio, n, kept], most) {
  const side = Math.sqrt(kept.length);
  const text = (i) =>
    `${method}, pixel in row ${Math.floor(i / side) + 1}, column ${(i % side) + 1}\n` +
    `${kept[i].toFixed(1)} weights survive (n ${n})`;
  const canvas = make("canvas", {
    width: side,
    height: side,
    role: "img",
    "aria-label":
      `Surviving weights per pixel, ${method} at ratio ${ratioText(ratio)}: ` +
      `most ${d3.max(kept)}, mean ${d3.mean(kept).toFixed(1)}`,
    onpointermove: (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (part, whole) =>
        Math.min(side - 1, Math.max(0, Math.floor((part / whole) * side)));
      tip(
        text(
          at(event.clientY - box.top, box.height) * side + at(event.clientX - box.left, box.width),
        ),
        event.clientX,
        event.clientY,
      );
    },
    onpointerleave: () => tip(null),
  });
  paint(canvas.getContext("2d"), kept, most);
  return make("figure", {}, canvas, make("figcaption", {}, `${method} (n ${n})`));
}

function drawKept() {
  const last = group.layers.filter((row) => row[3] === row[1]);
  const layers = [...new Set(last.map((row) => row[4]))];
  fillTable(
    find("kept"),
    ["ticket", ...layers],
    grouped(last, (row) => `${row[0]}, ratio ${ratioText(row[2])}, ${roundsOf(row[1])}`).map(
      ([ticket, rows]) => ({
        cells: [
          ticket,
          ...layers.map((layer) => {
            const row = rows.find((of) => of[4] === layer);
            if (!row) return null;
            const density = row[7] / row[5];
            return make(
              "span",
              {},
              size(density),
              " ",
              make("small", {}, d3.format(",.5~r")(row[7])),
              make(
                "span",
                { class: "fill" },
                make("i", { style: `width:${100 * density}%;background:${methodColour(row[0])}` }),
              ),
            );
          }),
        ],
      }),
    ),
  );
}

function drawCommon() {
  const name = (method, rounds, ratio) =>
    `${method}, ratio ${ratioText(ratio)}, ${roundsOf(rounds)}`;
  const times = (value) => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ×`;
  const tickets = [
    ...new Set(group.common.flatMap((row) => [name(...row.slice(0, 3)), name(...row.slice(3, 6))])),
  ];
  const shown = (row, other) =>
    row &&
    make(
      "span",
      {},
      times(row[10]),
      " ",
      make("small", {}, `n ${row[7]}${row[13] > Math.log10(0.05) ? ", could be chance" : ""}`),
      make("br"),
      make("small", {}, `${other ? `${other}; ` : ""}${times(row[11])} to ${times(row[12])}`),
    );
  const of = (ticket, differs) =>
    group.common.filter(
      (row) =>
        row[6] === differs &&
        (name(...row.slice(0, 3)) === ticket || name(...row.slice(3, 6)) === ticket),
    );
  const partner = (row, ticket) =>
    name(...row.slice(0, 3)) === ticket ? row.slice(3, 6) : row.slice(0, 3);
  // Of the other ratios the next: the overlap with all is in overlap.csv.
  const next = (ticket) =>
    of(ticket, "ratio").filter((row) => name(...row.slice(0, 3)) === ticket)[0];
  const many = (ticket, differs, text) => {
    const rows = of(ticket, differs);
    return rows.length
      ? make(
          "div",
          {},
          ...rows.map((row) => make("div", {}, shown(row, text(partner(row, ticket))))),
        )
      : null;
  };
  const columns = [
    ["another seed", (ticket) => shown(of(ticket, "seed")[0])],
    ["another method", (ticket) => many(ticket, "method", ([method]) => `with ${method}`)],
    [
      "other rounds",
      (ticket) => many(ticket, "rounds", ([, rounds]) => `with ${roundsOf(rounds)}`),
    ],
    [
      "the next ratio",
      (ticket) => {
        const row = next(ticket);
        return shown(row, row && `with ${row[5]}`);
      },
    ],
  ];
  const used = columns.filter(([, cell]) => tickets.some((ticket) => cell(ticket)));
  fillTable(
    find("common"),
    ["ticket", ...used.map(([text]) => text)],
    tickets.map((ticket) => ({ cells: [ticket, ...used.map(([, cell]) => cell(ticket))] })),
  );
}

const saveMasks = () =>
  group.pixels.length
    ? saveButtons("pixels", {
        rows: () => [
          ["method", "rounds", "ratio", "n", "row", "column", "kept"],
          ...group.pixels.flatMap(([method, rounds, ratio, n, kept]) => {
            const side = Math.sqrt(kept.length);
            return kept.map((value, i) => [
              method,
              rounds,
              ratio,
              n,
              Math.floor(i / side) + 1,
              (i % side) + 1,
              value,
            ]);
          }),
        ],
        charts: () =>
          group.pixels.map((row) => ({ box: pixelChart(row), caption: pixelCaption(row) })),
      })
    : "";

const pixelCaption = ([method, rounds, ratio, n, kept]) =>
  `${method}, ratio ${ratioText(ratio)}, ${roundsOf(rounds)}: ` +
  `0 to ${Math.round(d3.max(kept))} weights, n ${n}`;

/** A mask as an SVG, to be saved. */
function pixelChart([, , , , kept]) {
  const side = Math.sqrt(kept.length),
    length = 280;
  const canvas = make("canvas", { width: side, height: side });
  paint(canvas.getContext("2d"), kept, d3.max(kept) || 1);
  const image = { width: length, height: length, style: "image-rendering:pixelated" };
  const href = canvas.toDataURL("image/png");
  return make(
    "div",
    {},
    drawn("svg", { width: length, height: length }, drawn("image", { ...image, href })),
  );
}

function paint(context, kept, most) {
  const side = Math.sqrt(kept.length);
  kept.forEach((value, i) => {
    context.fillStyle = shade(value / most);
    context.fillRect(i % side, Math.floor(i / side), 1, 1);
  });
}
