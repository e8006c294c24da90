// How much sooner do they learn? Steps to a target.

function drawHowMuchSooner() {
  const index = Math.min(state.target, group.targets.length - 1);
  const target = group.targets[index];
  put(
    "target-controls",
    ...ticketsSelect(),
    select(
      "steps to",
      group.targets.map(({ words }, i) => [i, words]),
      index,
      (value) => chooses("target", drawHowMuchSooner)(Number(value)),
    ),
  );
  const tickets = chosenTickets();
  const others = othersOf(tickets, ({ arrivals }) => arrivals[index].than);
  const all = tickets.flatMap(({ arrivals }) =>
    others.map((other) => arrivals[index].than[other]?.times),
  );
  const scale = forestScale(all, { isRatio: true });
  const dense = group.experiments[group.asked.dense];
  const own = (of) => {
    const { n, arrived, steps } = of.arrivals[index];
    return make(
      "div",
      {},
      steps === null ? "—" : round(steps),
      " ",
      small(arrived === n ? `n ${n}` : `${arrived} of ${n} arrive`),
    );
  };
  const rows = [...(dense ? [dense] : []), ...tickets].map((of, i, list) => ({
    gap: i > 0 && wayOf(of) !== wayOf(list[i - 1]),
    cells: [
      sizeCell(of),
      own(of),
      ...others.map((other) => soonerCell(of.arrivals[index].than[other], scale, of.method)),
    ],
  }));
  fillTable(
    find("sooner"),
    [
      "weights left",
      `steps to ${target.words}`,
      ...others.map((other) => ({ text: `than ${otherWords(other)}`, unit: "times, log axis" })),
    ],
    rows,
  );
  put("sooner-save", saveButtons("sooner", { rows: () => soonerRows(index, others) }));
}

/** Pruned tickets with their own weights, in order. */
const rewound = () =>
  inOrder(group.experiments.filter((of) => !isDense(of) && of.control === "rewind"));

/** The way (method and rounds) of the tickets in tables; "all" for all of them. */
function chosenWay() {
  const ways = [...new Set(rewound().map(wayOf))];
  const asked = group.experiments[group.asked.ticket];
  if (state.tickets === "all" || ways.includes(state.tickets)) return state.tickets;
  return asked ? wayOf(asked) : "all";
}
const chosenTickets = () =>
  rewound().filter((of) => chosenWay() === "all" || wayOf(of) === chosenWay());

/** A choice of the tickets in tables: those of the answers, others, or all. */
function ticketsSelect() {
  const ways = [...new Set(rewound().map(wayOf))];
  const options = [...ways.map((way) => [way, way]), ["all", "all"]];
  const both = () => {
    drawHowMuchSooner();
    drawWeightsOrMask();
  };
  return ways.length > 1 ? [select("tickets", options, chosenWay(), chooses("tickets", both))] : [];
}

/** What some tickets are compared with, in order. */
const othersOf = (tickets, compared) =>
  ["dense", ...[...CONTROLS.keys()].filter((of) => of !== "rewind"), "random"].filter((other) =>
    tickets.some((of) => compared(of)[other]),
  );
const OTHER_WORDS = { dense: "dense", reinit: "fresh weights", shuffle: "shuffled masks" };
const otherWords = (other) =>
  OTHER_WORDS[other] ?? (other === "random" ? "random masks" : CONTROLS.get(other).words);

const sizeCell = (of) =>
  make(
    "div",
    {},
    make("span", { class: "size" }, size(of.density)),
    " ",
    chosenWay() === "all" || isDense(of) ? small(wayOf(of)) : null,
  );

function soonerCell(sooner, scale, method) {
  if (!sooner) return null;
  const { times, kind, n, missing, others_missing: others } = sooner;
  const never = [
    missing && `${missing} of ${n} never`,
    others && `the other ${others} of ${n} never`,
  ]
    .filter(Boolean)
    .join(", ");
  if (!times) return make("div", {}, chip("unknown"), " ", small(never || `n ${n}`));
  const { mean, low, high } = times;
  const isLate = mean < 1;
  const text = (value) => (isLate ? 1 / value : value).toFixed(2);
  const isOver = (kind === "at least") !== isLate;
  const bound = kind === "exact" ? "" : isOver ? "over " : "at most ";
  const ends = [low, high].map((end) => end && text(end));
  if (isLate) ends.reverse();
  const figures = [
    `${bound}${text(mean)} × ${isLate ? "later" : "sooner"} `,
    small(`${kind === "exact" && low ? `${ends.join(" to ")}, ` : ""}n ${n}`),
  ];
  return make(
    "div",
    { class: "with-forest" },
    kind === "exact" ? forest(times, scale, methodColour(method)) : null,
    make("div", { class: "figures-of" }, ...figures),
    never ? small(never) : null,
  );
}

const soonerRows = (index, others) => [
  [
    "method",
    "rounds",
    "ratio",
    "density",
    "target",
    "n",
    "arrived",
    "steps",
    ...others.flatMap((other) =>
      ["times", "low", "high", "kind", "n"].map((of) => `${other}_${of}`),
    ),
  ],
  ...rewound().map(({ method, rounds, ratio, density, arrivals }) => {
    const { n, arrived, steps, than } = arrivals[index];
    const cells = others.flatMap((other) => {
      const of = than[other];
      const { mean, low, high } = of?.times ?? {};
      return [mean, low, high, of?.kind, of?.n];
    });
    return [method, rounds, ratio, density, group.targets[index].name, n, arrived, steps, ...cells];
  }),
];
