// The stem of an English word, as Snowball's English stemmer (3.1) gives it. What search compares
// words by; index/text.py uses the same in Python, and a test compares the two word by word.
"use strict";
window.TI = window.TI || {};

TI.stem = (function () {
  const EXCEPTIONS = new Map(Object.entries({
    andes: "andes", atlas: "atlas", bias: "bias", cosmos: "cosmos", early: "earli",
    gently: "gentl", howe: "howe", idly: "idl", news: "news", only: "onli", singly: "singl",
    skies: "sky", skis: "ski", sky: "sky", ugly: "ugli",
  }));
  const FIRST_REGION = /^(?:arsen|commun|emerg|gener|inter|later|organ|past|univers)/;
  const VOWEL = /[aeiouy]/;
  const STEP_2 = {
    anci: "ance", enci: "ence", ogi: "og", li: "", bli: "ble", abli: "able", alli: "al",
    fulli: "ful", lessli: "less", ousli: "ous", entli: "ent", aliti: "al", biliti: "ble",
    iviti: "ive", tional: "tion", ational: "ate", alism: "al", ation: "ate", ization: "ize",
    izer: "ize", ator: "ate", iveness: "ive", fulness: "ful", ousness: "ous", ogist: "og",
  };
  const STEP_3 = {
    icate: "ic", ative: "", alize: "al", iciti: "ic", ical: "ic", tional: "tion", ational: "ate",
    ful: "", ness: "",
  };
  const STEP_4 = {};
  for (const ending of ("ic ance ence able ible ate ive ize iti al ism ion er ous ant ent ment " +
    "ement").split(" ")) STEP_4[ending] = "";

  const isVowel = (word, at) => at >= 0 && at < word.length && VOWEL.test(word[at]);

  // The longest of the endings (at most seven letters) that the word has, or null.
  function ending(word, endings) {
    for (let size = Math.min(7, word.length); size > 0; size--) {
      const tail = word.slice(-size);
      if (Object.hasOwn(endings, tail)) return tail;
    }
    return null;
  }

  function markY(word) {
    const letters = [...word];
    for (let at = 0; at < letters.length; at++) {
      if (letters[at] === "y" && (at === 0 || VOWEL.test(letters[at - 1]))) letters[at] = "Y";
    }
    return letters.join("");
  }

  function afterSyllable(word, from) {
    let at = from;
    while (at < word.length && !isVowel(word, at)) at++;
    if (at >= word.length) return word.length;
    while (at < word.length && isVowel(word, at)) at++;
    return at >= word.length ? word.length : at + 1;
  }

  function isShort(word) {
    const end = word.length;
    if (word.endsWith("past")) return true;
    if (end < 2 || isVowel(word, end - 1) || !isVowel(word, end - 2)) return false;
    return end === 2 || (!/[wxY]/.test(word[end - 1]) && !isVowel(word, end - 3));
  }

  function step1a(word) {
    if (word.endsWith("sses")) return word.slice(0, -2);
    if (/ie[ds]$/.test(word)) return word.slice(0, word.length - 3 >= 2 ? -2 : -1);
    if (/[su]s$/.test(word) || !word.endsWith("s")) return word;
    return VOWEL.test(word.slice(0, -2)) ? word.slice(0, -1) : word;
  }

  function step1b(word, p1) {
    const found = /(?:eedly|ingly|edly|eed|ing|ed)$/.exec(word);
    if (!found) return word;
    const stem = word.slice(0, found.index);
    if (found[0].startsWith("eed")) {
      const keeps = stem.length < p1 || /^(?:succ|proc|exc)$/.test(stem);
      return keeps ? word : stem + "ee";
    }
    if (found[0] === "ing") {
      if (/^[^aeiouy]y$/.test(stem)) return stem[0] + "ie";
      if (/^(?:even|cann|inn|earr|herr|out)$/.test(stem)) return word;
    }
    if (!VOWEL.test(stem)) return word;
    if (/(?:at|bl|iz)$/.test(stem)) return stem + "e";
    if (/(?:bb|dd|ff|gg|mm|nn|pp|rr|tt)$/.test(stem)) {
      return /^[aeo]..$/.test(stem) ? stem : stem.slice(0, -1);
    }
    return stem.length === p1 && isShort(stem) ? stem + "e" : stem;
  }

  function step2(word, p1) {
    const tail = ending(word, STEP_2);
    if (tail === null || word.length - tail.length < p1) return word;
    const stem = word.slice(0, -tail.length);
    if (tail === "ogi" && !stem.endsWith("l")) return word;
    if (tail === "li" && !/[cdeghkmnrt]$/.test(stem)) return word;
    return stem + STEP_2[tail];
  }

  function step3(word, p1, p2) {
    const tail = ending(word, STEP_3);
    if (tail === null || word.length - tail.length < (tail === "ative" ? Math.max(p1, p2) : p1)) {
      return word;
    }
    return word.slice(0, -tail.length) + STEP_3[tail];
  }

  function step4(word, p2) {
    const tail = ending(word, STEP_4);
    if (tail === null || word.length - tail.length < p2) return word;
    const stem = word.slice(0, -tail.length);
    return tail === "ion" && !/[st]$/.test(stem) ? word : stem;
  }

  function step5(word, p1, p2) {
    const stem = word.slice(0, -1);
    if (word.endsWith("e")) {
      return stem.length >= p2 || (stem.length >= p1 && !isShort(stem)) ? stem : word;
    }
    return word.endsWith("ll") && stem.length >= p2 ? stem : word;
  }

  return function (text) {
    const known = EXCEPTIONS.get(text);
    if (known !== undefined) return known;
    if (text.length < 3) return text;
    let word = markY(text);
    const first = FIRST_REGION.exec(word);
    const p1 = first ? first[0].length : afterSyllable(word, 0);
    const p2 = afterSyllable(word, p1);
    word = step1b(step1a(word), p1);
    if (/[yY]$/.test(word) && word.length > 2 && !isVowel(word, word.length - 2)) {
      word = word.slice(0, -1) + "i";
    }
    word = step4(step3(step2(word, p1), p1, p2), p2);
    return step5(word, p1, p2).replaceAll("Y", "y");
  };
})();
