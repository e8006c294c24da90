// Parts of the document: tables, choices, tips, canvases.

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const find = (id) => document.getElementById(id);
const put = (id, ...children) => find(id).replaceChildren(...children);

/**
 * Fill a table. A heading is text, or {text, right}. A cell is text, a node, or null; the first of
 * a row heads it.
 */
function fillTable(table, headings, rows) {
  const head = headings.map((of) =>
    make("th", { scope: "col", class: of.right ? "right" : null }, of.text ?? of),
  );
  const body = rows.map((row) =>
    make(
      "tr",
      { class: row.gap ? "gap" : null },
      ...row.cells.map((cell, i) =>
        make(
          i === 0 ? "th" : "td",
          { scope: i === 0 ? "row" : null, class: headings[i].right ? "right" : null },
          cell ?? "",
        ),
      ),
    ),
  );
  table.replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

function select(label, options, chosen, changed) {
  const box = make(
    "select",
    { onchange: () => changed(box.value) },
    ...options.map(([value, text]) =>
      make("option", { value, selected: String(value) === String(chosen) }, text),
    ),
  );
  return make("label", {}, label, box);
}

function tip(text, x, y) {
  const box = find("tip");
  box.hidden = !text;
  if (!text) return;
  box.textContent = text;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, x + 14 + width > innerWidth ? x - width - 12 : x + 14)}px`;
  box.style.top = `${Math.max(4, y + 14 + height > innerHeight ? y - height - 10 : y + 14)}px`;
}

/**
 * Show the nearest of some points ({x, y, text}) under the mouse, or one after the other by arrow
 * keys.
 */
function explain(svg, marks, byColumn = false) {
  if (!marks.length) return;
  const ring = svg.append("circle").attr("class", "hot").attr("r", 7).attr("visibility", "hidden");
  const rule = svg.append("line").attr("class", "rule").attr("visibility", "hidden");
  let at = -1;
  const show = (i, x, y) => {
    at = i;
    const mark = marks[i];
    const box = svg.node().getBoundingClientRect();
    if (byColumn)
      rule
        .attr("visibility", null)
        .attr("x1", mark.x)
        .attr("x2", mark.x)
        .attr("y1", mark.top)
        .attr("y2", mark.bottom);
    else ring.attr("visibility", null).attr("cx", mark.x).attr("cy", mark.y);
    tip(mark.text, x ?? box.left + mark.x, y ?? box.top + (mark.y ?? mark.top));
  };
  const hide = () => {
    ring.attr("visibility", "hidden");
    rule.attr("visibility", "hidden");
    tip(null);
  };
  svg
    .attr("tabindex", 0)
    .on("pointermove", () => {
      const [x, y] = d3.mouse(svg.node());
      const far = (mark) => (byColumn ? Math.abs(mark.x - x) : Math.hypot(mark.x - x, mark.y - y));
      const i = d3.scan(marks, (a, b) => far(a) - far(b));
      if (far(marks[i]) < 40) show(i, d3.event.clientX, d3.event.clientY);
      else hide();
    })
    .on("pointerleave blur", hide)
    .on("keydown", () => {
      const { event } = d3;
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      show((Math.max(at, step > 0 ? -1 : 0) + step + marks.length) % marks.length);
    });
}

function canvasOf(width, height) {
  const scale = devicePixelRatio || 1;
  const canvas = make("canvas", {
    width: width * scale,
    height: height * scale,
    style: `width:${width}px;height:${height}px`,
  });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return [canvas, context];
}
