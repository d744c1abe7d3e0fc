// Moments are written in UTC; here they are shown in the zone of whoever looks, with the UTC moment as a tooltip.
(() => {
  const shown = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const localize = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      time.dataset.local = zone;
      time.title = `${time.textContent} UTC`;
      time.textContent = shown.format(moment);
    }
    for (const label of root.querySelectorAll(".zone")) {
      const text = `Times in ${zone}`;
      if (label.textContent !== text) label.textContent = text;
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    localize(document);
    new MutationObserver(() => localize(document)).observe(document.body, { childList: true, subtree: true });
  });
})();
