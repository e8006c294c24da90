// Section 2: the chosen runs, as a sentence and as a table.

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

const COLUMNS = [
  ["name", "ticket", (run) => run[RUN.name], String],
  ["control", "control", (run) => group.experiments[run[RUN.experiment]].control, String],
  ["sparsity", "sparsity", (run) => run[RUN.sparsity], percent],
  ["best", "best accuracy", (run) => run[RUN.best], percent],
  ["bestStep", "at step", (run) => run[RUN.bestStep], count],
  ["stop", "early-stop step", (run) => run[RUN.stop], count],
  ["stopAccuracy", "accuracy there", (run) => run[RUN.stopAccuracy], percent],
  ["final", "at the end", (run) => run[RUN.final], percent],
];
const MOST_ROWS = 500;

function showSelected(chosen, whole, highlight) {
  const { key, descending } = parallel.sort;
  const get = COLUMNS.find((column) => column[0] === key)[2];
  const sorted = chosen
    .slice()
    .sort(
      (i, j) =>
        (descending ? -1 : 1) * d3.ascending(get(group.runs[i]), get(group.runs[j])) || i - j,
    );
  // While an axis is dragged only a few; the rest when that has ended.
  const most = !whole ? 40 : parallel.all ? sorted.length : MOST_ROWS;
  const again = () => showSelected(chosen, true, highlight);
  const heads = COLUMNS.map(([name, text], c) =>
    make(
      "th",
      {
        scope: "col",
        class: c > 1 ? "right" : null,
        "aria-sort": name === key ? (descending ? "descending" : "ascending") : "none",
      },
      make(
        "button",
        {
          type: "button",
          onclick: () => {
            parallel.sort = { key: name, descending: name === key ? !descending : c > 1 };
            again();
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
        ...COLUMNS.map(([, , value, text], c) =>
          make("td", { class: c > 1 ? "right" : null }, text(value(group.runs[i]))),
        ),
      ),
    );
  put("selected", make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const more = sorted.length - most;
  put(
    "selected-note",
    ...(whole && more > 0
      ? [
          `${count(most)} of ${count(sorted.length)} shown. `,
          make(
            "button",
            {
              type: "button",
              onclick: () => {
                parallel.all = true;
                again();
              },
            },
            "Show all",
          ),
        ]
      : []),
  );
}
