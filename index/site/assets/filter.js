// Filters the entries of a page as one types: those stay that have every word.
"use strict";
(function () {
  const box = document.getElementById("filter");
  const number = document.querySelector("[data-filter-count]");
  const groups = [...document.querySelectorAll("[data-filter-group]")];
  const items = groups.map((group) => [...group.querySelectorAll("[data-filter-item]")].map((item) =>
    [item, `${item.textContent} ${item.dataset.filterItem}`.toLowerCase()]));

  function filter() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    groups.forEach((group, at) => {
      let own = 0;
      for (const [item, text] of items[at]) {
        const isFound = words.every((word) => text.includes(word));
        item.hidden = !isFound;
        own += isFound;
      }
      group.hidden = !own;
      shown += own;
    });
    number.textContent = words.length ? `${shown} found` : "";
    history.replaceState(null, "", words.length ? `#q=${encodeURIComponent(box.value)}`
      : location.pathname);
  }

  const asked = new URLSearchParams(location.hash.slice(1)).get("q");
  box.addEventListener("input", filter);
  if (asked) {
    box.value = asked;
    filter();
  }
})();
