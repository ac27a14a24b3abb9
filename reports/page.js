// The page is complete without this: it sorts and filters tables, and names and hides lines.
const make = (tag, of) => Object.assign(document.createElement(tag), of);
const drawn = [...document.querySelectorAll("figure svg [data-name]")];
const off = new Set(), out = new Set();
const show = () => {
  for (const part of drawn) {
    const name = part.dataset.name;
    part.classList.toggle("gone", off.has(name) || out.has(name));
  }
  for (const chip of document.querySelectorAll(".chips button")) chip.setAttribute("aria-pressed", !off.has(chip.title));
};

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells], body = table.tBodies[0], rows = [...body.rows];
  const key = (row, i) => i ? row.cells[i].dataset.sort : row.cells[0].dataset.name;
  // What has no value comes last, whichever way.
  const compare = (a, b, way) => a === "" || b === "" ? (a === "") - (b === "")
    : way * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
  headings.forEach((heading, i) => {
    const button = make("button", { type: "button" });
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    heading.addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach(other => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...[...rows].sort((a, b) => compare(key(a, i), key(b, i), up ? 1 : -1)));
    });
  });
  if (rows.length > 8) {
    const both = table.closest("figure").id === "strategies";
    const what = both ? "filter, here and in the figures" : "filter";
    const field = make("input", { type: "search", placeholder: what, className: "filter", ariaLabel: what });
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const name = row.cells[0].dataset.name;
        row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
        if (both) out[row.hidden ? "add" : "delete"](name);
      }
      show();
    });
    table.parentNode.before(field);
  }
}

const tip = document.body.appendChild(make("div", { className: "tip", hidden: true }));
const light = (figure, name) => {
  figure.classList.toggle("lit", name !== undefined);
  for (const part of figure.querySelectorAll("svg [data-name]")) part.classList.toggle("on", part.dataset.name === name);
};
for (const figure of document.querySelectorAll("figure")) {
  for (const title of figure.querySelectorAll("svg[role] title")) {
    const part = title.parentNode, text = title.textContent;
    title.remove();
    // A line is too thin to be pointed at.
    for (const path of [...part.querySelectorAll("path[style*='fill: none']")]) {
      const wide = part.appendChild(path.cloneNode());
      wide.setAttribute("class", "near");
    }
    part.addEventListener("pointermove", event => {
      tip.textContent = text;
      tip.hidden = false;
      tip.style.left = `${Math.max(8, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8))}px`;
      tip.style.top = `${event.clientY + 16}px`;
      if (part.dataset.name) light(figure, part.dataset.name);
    });
    part.addEventListener("pointerleave", () => { tip.hidden = true; light(figure); });
  }
  const inside = new Set([...figure.querySelectorAll("svg [data-name]")].map(part => part.dataset.name));
  const ranked = [...document.querySelectorAll("#strategies tbody th")].filter(cell => inside.has(cell.dataset.name));
  if (ranked.length < 2) continue;
  const chips = make("p", { className: "chips", ariaLabel: "Switch strategies off and on" });
  for (const cell of ranked.slice(0, 16)) {
    const name = cell.dataset.name, number = cell.querySelector(".number");
    const chip = make("button", { type: "button", textContent: `${number.textContent} ${name}`, title: name });
    chip.setAttribute("aria-pressed", true);
    chip.addEventListener("click", () => { off[off.has(name) ? "delete" : "add"](name); show(); });
    for (const event of ["pointerenter", "focus"]) chip.addEventListener(event, () => light(figure, name));
    for (const event of ["pointerleave", "blur"]) chip.addEventListener(event, () => light(figure));
    chips.append(chip);
  }
  figure.querySelector("figcaption").before(chips);
}
