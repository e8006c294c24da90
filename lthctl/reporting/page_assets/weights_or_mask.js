// Is it the weights or the mask? Tickets against the same mask with fresh weights, against their
// weights under a shuffled mask, and against random pruning.

function drawWeightsOrMask() {
  put("against-controls", ...ticketsSelect());
  const tickets = chosenTickets().filter((of) => Object.keys(of.against).length);
  const others = othersOf(tickets, (of) => of.against);
  const scales = Object.fromEntries(
    others.map((other) => {
      const differences = tickets.map((of) => of.against[other]?.difference);
      return [other, forestScale(differences, { margin: group.margin })];
    }),
  );
  const rows = tickets.map((of, i) => ({
    gap: i > 0 && wayOf(of) !== wayOf(tickets[i - 1]),
    cells: [
      sizeCell(of),
      ...others.map((other) => againstCell(of.against[other], scales[other], of.method)),
    ],
  }));
  fillTable(
    find("against"),
    [
      "weights left",
      ...others.map((other) => ({
        text: `against ${otherWords(other)}`,
        unit: "accuracy, points; shaded: the margin",
      })),
    ],
    rows,
  );
  const note = tickets.length
    ? "Each row is judged by itself: its interval is not adjusted for the number of rows."
    : "No control of these tickets was trained, so this is unknown.";
  put("against-note", make("p", {}, note));
  put(
    "against-save",
    tickets.length === 0
      ? null
      : saveButtons("weights-or-mask", {
          rows: () => [
            [
              "method",
              "rounds",
              "ratio",
              "density",
              "against",
              "n",
              "difference",
              "low",
              "high",
              "verdict",
            ],
            ...tickets.flatMap(({ method, rounds, ratio, density, against }) =>
              Object.entries(against).map(([other, { difference, verdict }]) => {
                const { n, mean, low, high } = difference ?? {};
                return [method, rounds, ratio, density, other, n, mean, low, high, verdict];
              }),
            ),
          ],
        }),
  );
}

function againstCell(against, scale, method) {
  if (!against) return null;
  const { difference, verdict, seeds } = against;
  if (!difference) return chip("unknown", "no pair of seeds");
  return make(
    "div",
    { class: "with-forest" },
    forest(difference, scale, methodColour(method)),
    make("div", { class: "figures-of" }, `${differenceOf(difference)} `),
    chip(verdict),
    seeds ? small(seedsWords(seeds)) : null,
  );
}
