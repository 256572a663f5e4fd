"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") !== "descending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[place].dataset.key ?? "";
      const number = header.classList.contains("number");
      const order = (a, b) => (key(a) === "") - (key(b) === "") ||
        (down ? -1 : 1) * (number ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b)));
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    });
  });
}
