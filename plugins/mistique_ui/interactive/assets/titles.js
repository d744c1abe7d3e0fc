// The tab of the browser is named after the page that is shown.
document.addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => {
    const title = document.querySelector("#main .page")?.dataset.title;
    if (title && document.title !== `${title} · MISTIQUE`) document.title = `${title} · MISTIQUE`;
  }).observe(document.body, { childList: true, subtree: true });
});
