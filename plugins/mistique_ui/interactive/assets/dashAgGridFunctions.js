// Functions that columns of tables may name; AG Grid is given no other code.
window.dashAgGridFunctions = window.dashAgGridFunctions || {};
(() => {
  const moment = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  const absent = (value) => value === null || value === undefined || value === "";
  Object.assign(window.dashAgGridFunctions, {
    localTime: (seconds) => (absent(seconds) ? "–" : moment.format(new Date(seconds * 1000))),
    significant: (value) => (typeof value === "number" ? Number(value.toPrecision(5)).toString() : absent(value) ? "–" : String(value)),
    whole: (value) => (absent(value) ? "–" : Number(value).toLocaleString("en-US")),
    answerCell: (value) => (absent(value) ? "–" : Number.isInteger(value) ? String(value) : Number(value.toPrecision(6)).toString()),
    answerText: (value) => (absent(value) ? "–" : typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)).toString() : String(value)),
    percent: (part) => (typeof part === "number" ? `${(part * 100).toFixed(1)} %` : "–"),
    seconds: (time) => {
      if (typeof time !== "number") return "–";
      return time >= 100 ? `${Math.round(time)} s` : time >= 1 ? `${time.toFixed(2)} s` : `${Number((time * 1e3).toPrecision(3))} ms`;
    },
    bytes: (count) => {
      if (absent(count)) return "–";
      const units = ["B", "kB", "MB", "GB", "TB"];
      let at = 0;
      let size = count;
      while (size >= 1000 && at < units.length - 1) { size /= 1000; at += 1; }
      return `${at === 0 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
    },
  });
})();
