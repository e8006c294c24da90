// The chosen runs, as a sentence and as a table.

function describeSelection(chosen) {
  const runs = chosen.map((i) => group.runs[i]);
  const [lowest, highest] = d3.extent(runs, (run) => run[RUN.best]);
  const bold = (text) => make("b", {}, text);
  const part = (...children) => make("span", {}, ...children);
  put(
    "selection",
    part(bold(count(runs.length)), ` of ${plural(group.runs.length, "run")}`),
    ...(runs.length
      ? [
          part("mean best accuracy ", bold(percent(d3.mean(runs, (run) => run[RUN.best])))),
          part(`from ${percent(lowest)} to ${percent(highest)}`),
          part("mean early-stop step ", bold(round(d3.mean(runs, (run) => run[RUN.stop])))),
        ]
      : [part("no run is inside all choices at once")]),
  );
}

const columnsOfRuns = () => [
  ["name", "ticket", (run) => run[RUN.name], String],
  ["control", "control", (run) => group.experiments[run[RUN.experiment]].control, String],
  ["sparsity", "sparsity", (run) => run[RUN.sparsity], percent],
  ["best", "best accuracy", (run) => run[RUN.best], percent],
  ["bestStep", "at step", (run) => run[RUN.bestStep], count],
  ...group.targets
    .map(({ accuracy, words }, i) => [
      `steps${i}`,
      accuracy === null ? "steps to dense less the margin" : `steps to ${words}`,
      (run) => run[RUN.arrivals][i] ?? Infinity,
      (steps) => (steps === Infinity ? "never" : count(steps)),
    ])
    .slice(0, 1),
  ["stop", "early-stop step", (run) => run[RUN.stop], count],
  ["stopAccuracy", "accuracy there", (run) => run[RUN.stopAccuracy], percent],
  ["final", "at the end", (run) => run[RUN.final], percent],
];
const MOST_ROWS = 500;

function showSelected(chosen, whole, highlight) {
  const columns = columnsOfRuns();
  const [key, , get] = columns.find((column) => column[0] === state.sort) ?? columns[3];
  const sorted = chosen
    .slice()
    .sort(
      (i, j) =>
        (state.descending ? -1 : 1) * d3.ascending(get(group.runs[i]), get(group.runs[j])) || i - j,
    );
  // While an axis is dragged only a few; the rest when that has ended.
  const most = !whole ? 40 : state.all ? sorted.length : MOST_ROWS;
  const again = () => showSelected(chosen, true, highlight);
  const heads = columns.map(([name, text], c) =>
    make(
      "th",
      {
        scope: "col",
        class: c > 1 ? "right" : null,
        "aria-sort": name === key ? (state.descending ? "descending" : "ascending") : "none",
      },
      make(
        "button",
        {
          type: "button",
          onclick: () => {
            state.descending = name === key ? !state.descending : c > 1;
            chooses("sort", again)(name);
            find("selected").querySelectorAll("th button")[c].focus();
          },
        },
        text,
      ),
    ),
  );
  const rows = sorted
    .slice(0, most)
    .map((i) =>
      make(
        "tr",
        { onpointerenter: () => highlight(i), onpointerleave: () => highlight(null) },
        ...columns.map(([, label, value, text], c) =>
          make(
            c ? "td" : "th",
            { class: c > 1 ? "right" : null, scope: c ? null : "row", "data-label": label },
            text(value(group.runs[i])),
          ),
        ),
      ),
    );
  put("selected", make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const more = sorted.length - most;
  put(
    "selected-note",
    ...(whole && more > 0
      ? [
          `${count(most)} of ${count(sorted.length)} rows are shown, and printed. `,
          make(
            "button",
            { type: "button", onclick: () => chooses("all", again)(true) },
            "Show all",
          ),
        ]
      : []),
  );
  if (whole) put("runs-save", saveRuns(sorted, columns));
}

const saveRuns = (sorted, columns) =>
  saveButtons("runs", {
    rows: () => [
      ["method", "rounds", "ratio", "seed", ...columns.map(([, text]) => text)],
      ...sorted.map((i) => {
        const { method, rounds, ratio } = group.experiments[group.runs[i][RUN.experiment]];
        const cells = columns.map(([, , value]) => value(group.runs[i]));
        const seed = group.runs[i][RUN.seed];
        return [method, rounds, ratio, seed, ...cells.map((of) => (of === Infinity ? null : of))];
      }),
    ],
    charts: () => [
      { box: find("parallel"), caption: find("selection").textContent.replaceAll(/\s+/g, " ") },
    ],
  });
