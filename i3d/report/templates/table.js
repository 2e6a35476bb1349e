// Search, filter by a column's values, and sort by a click on a header; nothing is fetched.
for (const section of document.querySelectorAll(".searchable")) {
  const table = section.querySelector("table");
  const search = section.querySelector("input[type=search]");
  const boxes = [...section.querySelectorAll("input[type=checkbox]")];
  const shown = section.querySelector("output");
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/);
    const hidden = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
    let count = 0;
    for (const row of rows) {
      row.hidden = hidden.has(row.dataset.kind) || !words.every((word) => texts.get(row).includes(word));
      count += !row.hidden;
    }
    shown.textContent = count + " of " + rows.length + " shown";
  }

  function sort(header) {
    const place = header.cellIndex;
    const numeric = header.classList.contains("number");
    const ascending = header.getAttribute("aria-sort") !== "ascending";
    const text = (row) => row.cells[place].textContent;
    const number = (row) => Number(text(row).replaceAll(",", "").replace("inf", "Infinity") || -Infinity);
    const compare = numeric
      ? (one, other) => number(one) - number(other) || 0
      : (one, other) => text(one).localeCompare(text(other), undefined, { numeric: true });
    rows.sort((one, other) => (ascending ? compare(one, other) : compare(other, one)));
    table.tBodies[0].append(...rows);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }

  search.addEventListener("input", filter);
  for (const box of boxes) box.addEventListener("change", filter);
  for (const header of table.tHead.rows[0].cells) header.addEventListener("click", () => sort(header));
  filter();
}
