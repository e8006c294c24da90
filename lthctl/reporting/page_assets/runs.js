// Every run, as parallel coordinates.

function drawParallel() {
  const place = find("parallel");
  const axes = axesOf();
  const width = Math.max(720, room),
    height = 440,
    top = 40,
    bottom = height - 16;
  place.style.height = `${height}px`;
  place.style.aspectRatio = `${width} / ${height}`;
  const x = pointScale(
    axes.map((axis) => axis.key),
    [54, width - 74],
  );
  const y = (axis, value) => bottom - axis.scale(value) * (bottom - top);
  const runs = group.runs;
  // Where each run crosses each axis. Runs of one value are spread around it, so that a ribbon
  // shows how many they are.
  const cross = axes.map((axis) => {
    const room =
      axis.scale.step && axis.key !== "seed"
        ? Math.min(26, axis.scale.step() * (bottom - top) * 0.5)
        : 0;
    const places = new Float64Array(runs.length);
    for (const [, same] of grouped(d3.range(runs.length), (i) => axis.get(runs[i])))
      same.forEach((i, rank) => {
        places[i] =
          y(axis, axis.get(runs[i])) +
          (same.length > 1 ? (rank / (same.length - 1) - 0.5) * room : 0);
      });
    return places;
  });
  const centre = axes.map((axis) => Float64Array.from(runs, (run) => y(axis, axis.get(run))));
  const xs = axes.map((axis) => x(axis.key));
  const [lowest, highest] = d3.extent(runs, (run) => run[RUN.best]);
  const colour = runs.map((run) =>
    shade(highest > lowest ? (run[RUN.best] - lowest) / (highest - lowest) : 0.5),
  );

  const [canvas, context] = canvasOf(width, height);
  const svg = d3
    .create("svg")
    .attr("viewBox", [0, 0, width, height])
    .attr("width", width)
    .attr("height", height)
    .attr("role", "group")
    .attr("aria-label", "Parallel coordinates");
  place.replaceChildren(canvas, svg.node());

  const stroke = (i) => {
    context.beginPath();
    for (let k = 0; k < xs.length; k++)
      k ? context.lineTo(xs[k], cross[k][i]) : context.moveTo(xs[k], cross[k][i]);
    context.stroke();
  };
  let chosen = [];
  function update(live) {
    const limits = axes.map((axis) => state.brushes[axis.key]);
    const inside = (i) =>
      limits.every(
        (limit, k) =>
          !limit ||
          (centre[k][i] >= limit[0] * height - 0.5 && centre[k][i] <= limit[1] * height + 0.5),
      );
    chosen = d3.range(runs.length).filter(inside);
    context.clearRect(0, 0, width, height);
    context.lineWidth = 1;
    const rest = new Set(chosen);
    const opacity = Math.max(0.025, Math.min(0.1, 20 / runs.length));
    context.strokeStyle = `rgba(${styleOf("--unselected")}, ${opacity})`;
    for (let i = 0; i < runs.length; i++) if (!rest.has(i)) stroke(i);
    context.lineWidth = chosen.length > 1000 ? 0.8 : 1.3;
    context.globalAlpha = Math.max(0.06, Math.min(0.9, 120 / Math.max(1, chosen.length)));
    // In an order that has nothing to do with accuracy, so that no colour lies on top by rule.
    for (const i of chosen) {
      context.strokeStyle = colour[i];
      stroke(i);
    }
    context.globalAlpha = 1;
    describeSelection(chosen);
    showSelected(chosen, !live, highlight);
    for (const button of find("presets").children) button.setAttribute("aria-pressed", "false");
  }
  function highlight(i) {
    svg.select(".hot").remove();
    if (i === null) return;
    svg
      .append("path")
      .attr("class", "hot")
      .attr("d", d3.line()(xs.map((at, k) => [at, cross[k][i]])));
  }

  const brush = d3.brushY().extent([
    [-14, top - 10],
    [14, bottom + 10],
  ]);
  const groups = svg
    .selectAll("g.axis-group")
    .data(axes)
    .enter()
    .append("g")
    .attr("class", "axis-group")
    .attr("data-key", (axis) => axis.key)
    .attr("transform", (axis) => `translate(${x(axis.key)},0)`)
    .attr("tabindex", 0)
    .attr("role", "group")
    .attr(
      "aria-label",
      (axis) =>
        `${axis.label}: arrows move the choice, Shift with arrows resizes it, Escape clears it`,
    );
  groups
    .append("rect")
    .attr("class", "frame")
    .attr("x", -22)
    .attr("width", 44)
    .attr("y", top - 14)
    .attr("height", bottom - top + 28)
    .attr("rx", 4);
  // The colours' key lies on the axis that they mean.
  const bar = svg
    .append("defs")
    .append("linearGradient")
    .attr("id", "accuracy-key")
    .attr("x1", 0)
    .attr("x2", 0)
    .attr("y1", 1)
    .attr("y2", 0);
  for (const t of d3.range(0, 1.01, 0.1))
    bar.append("stop").attr("offset", t).attr("stop-color", shade(t));
  groups
    .filter((axis) => axis.key === "best")
    .append("rect")
    .attr("x", -3)
    .attr("width", 6)
    .attr("y", top)
    .attr("height", bottom - top)
    .attr("fill", "url(#accuracy-key)");
  groups
    .append("g")
    .attr("class", "axis")
    .each(function (axis) {
      const position = (value) => y(axis, value);
      const values =
        axis.values && axis.scale.step
          ? axis.values
          : axis.key === "sparsity"
            ? axis.scale.ticks()
            : axis.scale.ticks(7);
      const ticks = ticksApart(values, axis.text, position, () => 12).map(([value]) => value);
      const node = d3.select(this);
      node
        .append("line")
        .attr("y1", top - 6)
        .attr("y2", bottom + 6);
      const label = node
        .selectAll("g")
        .data(ticks)
        .enter()
        .append("g")
        .attr("transform", (value) => `translate(0,${position(value)})`);
      label.append("line").attr("x1", -4).attr("x2", 4);
      label
        .append("text")
        .attr("x", 9)
        .attr("dy", ".32em")
        .text((value) => axis.text(value));
      node
        .append("text")
        .attr("class", "label")
        .attr("text-anchor", "middle")
        .attr("y", 14)
        .text(axis.label);
    });
  groups.append("g").attr("class", "brush").style("touch-action", "none").call(brush);
  const brushOf = (key) => groups.filter((axis) => axis.key === key).select(".brush");
  let muted = false;
  brush.on("brush end", (axis) => {
    if (muted) return;
    const { selection, type } = d3.event;
    if (selection) state.brushes[axis.key] = selection.map((at) => at / height);
    else delete state.brushes[axis.key];
    remember();
    update(type === "brush");
  });
  /** Set some choices at once: key -> the values (or a test of them) that are chosen. */
  function choose(wanted) {
    muted = true;
    state.brushes = {};
    for (const [k, axis] of axes.entries()) {
      const test = wanted[axis.key];
      const places = test
        ? d3.extent(
            d3.range(runs.length).filter((i) => test(axis.get(runs[i]))),
            (i) => centre[k][i],
          )
        : [];
      const room = axis.scale.step ? axis.scale.step() * (bottom - top) * 0.4 : 6;
      // Nothing of that kind: a choice above everything, of nothing.
      const extent =
        test &&
        (places[0] === undefined
          ? [top - 10, top - 9]
          : [Math.max(top - 10, places[0] - room), Math.min(bottom + 10, places[1] + room)]);
      if (extent) state.brushes[axis.key] = extent.map((at) => at / height);
      brushOf(axis.key).call(brush.move, extent ?? null);
    }
    muted = false;
    remember();
    update();
  }
  groups.on("keydown", (axis) => {
    const { event } = d3;
    const direction = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") return brushOf(axis.key).call(brush.move, null);
    if (!direction) return;
    event.preventDefault();
    const step = axis.scale.step ? axis.scale.step() * (bottom - top) : (bottom - top) / 20;
    let [low, high] = (state.brushes[axis.key] ?? [(top - 10) / height, (top - 10) / height]).map(
      (at) => at * height,
    );
    if (low === high)
      high = axis.scale.step ? y(axis, axis.values.at(-1)) + step * 0.4 : top + step;
    else if (event.shiftKey) high += direction * step;
    else [low, high] = [low + direction * step, high + direction * step];
    [low, high] = [Math.max(low, top - 10), Math.min(Math.max(high, low + 2), bottom + 10)];
    if (high > low) brushOf(axis.key).call(brush.move, [low, high]);
  });

  const is = (value) => (other) => other === value;
  const [first, ...others] = [...METHODS.keys()].filter((method) =>
    group.experiments.some((of) => of.method === method && method !== "dense"),
  );
  const controls = [...CONTROLS.keys()]
    .reverse()
    .filter((control) => group.experiments.some((of) => of.control === control));
  const presets = [
    ["all runs", {}],
    ...others.map((method) => [`${method} pruning`, { method: is(method) }]),
    ...(first
      ? controls.map((control) => [
          `${first}, ${control}`,
          { method: is(first), control: is(control) },
        ])
      : []),
    ...(first
      ? [
          [
            `${first}, ${controls.at(-1)}, ratio below 0.9`,
            { method: is(first), control: is(controls.at(-1)), ratio: (ratio) => ratio < 0.9 },
          ],
        ]
      : []),
  ];
  put(
    "presets",
    ...presets.map(([text, wanted]) =>
      make(
        "button",
        {
          type: "button",
          "aria-pressed": "false",
          onclick: (event) => {
            choose(wanted);
            event.target.setAttribute("aria-pressed", "true");
          },
        },
        text,
      ),
    ),
  );
  // After a redraw the choices are where they were.
  muted = true;
  for (const axis of axes) {
    const extent = state.brushes[axis.key];
    if (extent)
      brushOf(axis.key).call(
        brush.move,
        extent.map((at) => at * height),
      );
  }
  muted = false;
  update();
}
