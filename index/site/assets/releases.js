// The matrix of Triton's names by release, filtered as one types.
"use strict";
(function () {
  const MOST = 60;
  const box = document.getElementById("name");
  const place = document.querySelector("[data-names]");
  const number = document.querySelector("[data-names-count]");
  const SHORT = [[/^tl\./, "triton.language."], [/^gl\./, "triton.experimental.gluon.language."]];

  function cell(tag, text, options = {}) {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(options)) made.setAttribute(name, value);
    return made;
  }

  function show(api) {
    let wanted = box.value.trim();
    for (const [short, long] of SHORT) wanted = wanted.replace(short, long);
    wanted = wanted.toLowerCase();
    const found = [];
    api.names.forEach((name, at) => { if (name.toLowerCase().includes(wanted)) found.push(at); });
    found.sort((a, b) => (api.kernels[b] || 0) - (api.kernels[a] || 0) || a - b);
    number.textContent = `${found.length} ${found.length === 1 ? "name" : "names"}` +
      (found.length > MOST ? `, the ${MOST} that most kernels use` : "");
    const head = document.createElement("tr");
    head.append(cell("th", "Name", { scope: "col" }), ...api.releases.map((release) =>
      cell("th", release.replace(/\.0$/, ""), { scope: "col" })), cell("th", "Kernels", { scope: "col" }));
    const rows = found.slice(0, MOST).map((at) => {
      const row = document.createElement("tr");
      const first = cell("th", "", { scope: "row" });
      first.append(cell("code", api.names[at]));
      row.append(first, ...api.releases.map((release, place) => {
        const has = api.bits[at] >> place & 1;
        return cell("td", has ? "●" : "○", { class: has ? "has" : "lacks",
          "aria-label": has ? "has it" : "lacks it" });
      }), cell("td", api.kernels[at] === null ? "" : String(api.kernels[at]), { class: "n" }));
      return row;
    });
    const table = document.createElement("table");
    table.className = "strip";
    const thead = document.createElement("thead"), tbody = document.createElement("tbody");
    thead.append(head);
    tbody.append(...rows);
    table.append(thead, tbody);
    place.replaceChildren(table);
    history.replaceState(null, "", box.value ? `#name=${encodeURIComponent(box.value)}` : "#");
  }

  TI.load("api").then((api) => {
    const asked = new URLSearchParams(location.hash.slice(1)).get("name");
    if (asked) box.value = asked;
    box.addEventListener("input", () => show(api));
    if (asked) show(api);
  }).catch((error) => { number.textContent = error.message; });
})();
