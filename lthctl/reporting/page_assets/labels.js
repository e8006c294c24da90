// Words beside the lines that they name: each is put where it covers least.

const LABEL_FONT = "600 12.5px";
const LINE_HEIGHT = 15;

/** Points along a line, few pixels from each other. */
function along(points, step = 5) {
  const dots = [];
  points.forEach((point, i) => {
    const before = points[i - 1];
    if (!point) return;
    dots.push(point);
    if (!before) return;
    const [x, y] = [point[0] - before[0], point[1] - before[1]];
    const parts = Math.min(200, Math.ceil(Math.hypot(x, y) / step));
    for (let k = 1; k < parts; k++)
      dots.push([before[0] + (x * k) / parts, before[1] + (y * k) / parts]);
  });
  return dots;
}

/**
 * Put labels ({rows, points, colour}) near their own points.
 *
 * obstacles: dots of everything that is drawn, as {dots, weight}; those of a line that has a label
 * with its owner, as a label may not lie nearer to another line. Returns the boxes that are taken.
 */
function placeLabels(svg, plot, labels, obstacles, taken = []) {
  for (const label of labels) {
    const best = bestPlace(plot, label, obstacles, taken);
    if (!best) continue;
    taken.push(best);
    const text = drawn("text", {
      class: label.kind ?? "label halo",
      style: `fill:${label.colour}`,
    });
    best.rows.forEach((row, i) =>
      text.append(drawn("tspan", { x: best.x0 + 2, y: best.y0 + LINE_HEIGHT * (i + 1) - 4 }, row)),
    );
    svg.append(text);
  }
  return taken;
}

/** The place of a label that costs least, in the rows that are given or in a single one. */
function bestPlace(plot, { rows, points, owner }, obstacles, taken) {
  const inside = along(points, 12).filter(
    ([x, y]) => x >= plot.left && x <= plot.right && y >= plot.top && y <= plot.bottom,
  );
  let best = null;
  for (const words of rows.length > 1 ? [rows, [rows.join(" ")]] : [rows]) {
    const width = d3.max(words, (row) => textWidth(row, LABEL_FONT)) + 4;
    const height = LINE_HEIGHT * words.length;
    for (const [x, y] of inside)
      for (const away of [4, 8, 14, 26, 44])
        for (const [across, up] of SIDES) {
          const box = {
            x0: x + (across - 1) * 0.5 * width + across * away,
            y0: y + (up - 1) * 0.5 * height + up * away,
          };
          [box.x1, box.y1] = [box.x0 + width, box.y0 + height];
          if (box.x0 < plot.left + 2 || box.x1 > plot.right) continue;
          if (box.y0 < plot.top || box.y1 > plot.bottom - 2) continue;
          const cost = away / 8 + coverOf(box, obstacles, taken, owner, best?.cost);
          if (!best || cost < best.cost) best = { ...box, cost, rows: words };
        }
  }
  return best;
}
const SIDES = [
  [0, -1],
  [0, 1],
  [-1, 0],
  [1, 0],
];

function coverOf(box, obstacles, taken, owner, most = Infinity) {
  let cost = 0,
    own = Infinity,
    others = Infinity;
  for (const { dots, weight, owner: of } of obstacles)
    for (const [x, y] of dots) {
      const far = Math.hypot(
        Math.max(box.x0 - x, x - box.x1, 0),
        Math.max(box.y0 - y, y - box.y1, 0),
      );
      if (far < 3) cost += weight;
      if (cost > most) return cost;
      if (of && of === owner) own = Math.min(own, far);
      else if (of) others = Math.min(others, far);
    }
  if (owner && others <= own) cost += others < own ? 150 : 20;
  for (const other of taken)
    if (other.x0 < box.x1 && other.x1 > box.x0 && other.y0 < box.y1 && other.y1 > box.y0)
      cost += 200;
  return cost;
}
