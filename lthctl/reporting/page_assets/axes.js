// The axes of the parallel coordinates: of what differs among the runs, and of what they reached.

function axesOf() {
  const experiment = (run) => group.experiments[run[RUN.experiment]];
  const known = (order, values) =>
    ordered(
      new Set(values),
      (value) => order.indexOf(value) >>> 0,
      (value) => value,
    );
  const ranks = (key, label, get, order, text = String) => {
    const values = order ? known(order, group.runs.map(get)) : distinct(group.runs.map(get));
    const scale =
      values.length > 14 && typeof values[0] === "number"
        ? linearScale([values[0], values.at(-1)], [0, 1])
        : pointScale(values, [0, 1]).padding(0.5);
    return { key, label, get, scale, text, values };
  };
  const linear = (key, label, get, text) => {
    const [low, high] = d3.extent(group.runs, get);
    return {
      key,
      label,
      get,
      text,
      scale: linearScale(high === low ? [low - 1e-6, low + 1e-6] : [low, high], [0, 1]),
    };
  };
  const [fewest, most] = d3.extent(group.runs, (run) => 1 - run[RUN.sparsity]);
  const reached = {
    key: "sparsity",
    label: "sparsity reached",
    get: (run) => run[RUN.sparsity],
    text: (value) => percent(value, 1),
  };
  const logarithm = logScale([most === fewest ? most * 1.01 : most, fewest], [0, 1]);
  reached.scale = Object.assign((sparsity) => logarithm(1 - sparsity), {
    ticks: () =>
      spread(distinct(group.experiments.map((of) => 1 - of.density)), (of) => logarithm(1 - of)),
  });
  const asked = [
    ranks("method", "method", (run) => experiment(run).method, [...METHODS.keys()].reverse()),
    ranks("control", "control", (run) => experiment(run).control, [...CONTROLS.keys()].reverse()),
    ranks("rounds", "rounds", (run) => experiment(run).rounds),
    ranks("ratio", "ratio", (run) => experiment(run).ratio),
    ranks("seed", "seed", (run) => run[RUN.seed]),
  ];
  return [
    ...asked.filter(({ values }) => values.length > 1),
    reached,
    linear(
      "best",
      "best accuracy",
      (run) => run[RUN.best],
      (value) => percent(value),
    ),
    linear("stop", "early-stop step", (run) => run[RUN.stop], round),
  ];
}

/** Of some sorted values those that are far enough from each other for labels. */
function spread(values, position) {
  let last = -1;
  return values.filter((value) => {
    const at = position(value);
    if (Math.abs(at - last) < 0.045) return false;
    last = at;
    return true;
  });
}
