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
const put = (id, ...children) =>
  find(id).replaceChildren(...children.filter((child) => child !== null && child !== undefined));

const chip = (verdict, text = verdict) => {
  const [sign, kind] = VERDICTS[verdict] ?? VERDICTS.unknown;
  return make("span", { class: `chip ${kind}` }, `${sign} ${text}`);
};
const small = (...children) => make("small", {}, ...children);

/**
 * Fill a table. A heading is text, or {text, unit, right}. A cell is text, a node, or null; the
 * first of a row heads it. Each cell carries its heading, for phones, where rows are cards.
 */
function fillTable(table, headings, rows) {
  const all = headings.map((of) => (of.text === undefined ? { text: of } : of));
  const head = all.map(({ text, unit, right }) =>
    make(
      "th",
      { scope: "col", class: right ? "right" : null },
      text,
      ...(unit ? [make("br"), small(unit)] : []),
    ),
  );
  const body = rows.map((row) =>
    make(
      "tr",
      { class: row.gap ? "gap" : null },
      ...row.cells.map((cell, i) =>
        make(
          i === 0 ? "th" : "td",
          {
            scope: i === 0 ? "row" : null,
            class: [all[i].right ? "right" : "", cell === null ? "empty" : ""].join(" ").trim(),
            "data-label": all[i].text,
          },
          cell ?? "",
        ),
      ),
    ),
  );
  table.classList.add("cards");
  table.hidden = !rows.length;
  table.replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

/** A choice among [value, text]; null where there is nothing to choose. */
function select(label, options, chosen, changed) {
  if (options.length < 2) return null;
  const box = make(
    "select",
    { "aria-label": label, onchange: () => changed(box.value) },
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
