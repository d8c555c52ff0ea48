// Data scripts: each hands its value to TI.take under its name. The one form that a page may read
// from a folder, where fetch is not allowed.
"use strict";
window.TI = window.TI || {};

(function () {
  const root = document.documentElement.dataset.root || "";
  const waiting = new Map();   // name -> { promise, resolve, reject }
  const readers = { "joined-words": (value) => TI.words.loadJoined(value) };

  function entry(name) {
    if (!waiting.has(name)) {
      const made = {};
      made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
      waiting.set(name, made);
    }
    return waiting.get(name);
  }

  TI.take = function (name, value) {
    if (readers[name]) readers[name](value);
    entry(name).resolve(value);
  };

  // The value of data/<name>.js; a second call asks nothing again.
  TI.load = function (name) {
    const isNew = !waiting.has(name);
    const made = entry(name);
    const tag = document.querySelector(`script[data-load="${CSS.escape(name)}"]`);
    if (isNew && tag) {
      // The page itself brings it; what is not there when all has loaded does not come.
      window.addEventListener("load", () =>
        made.reject(new Error(`data/${name}.js cannot be read`)));
    } else if (isNew) {
      const script = document.createElement("script");
      script.src = `${root}data/${name}.js`;
      script.async = true;
      script.onerror = () => {
        waiting.delete(name);
        made.reject(new Error(`${script.src} cannot be read`));
      };
      document.head.append(script);
    }
    return made.promise;
  };
})();
