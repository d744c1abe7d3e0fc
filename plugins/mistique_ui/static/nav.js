// Airflow shows these pages in a frame that may not navigate the window around it. Links to Airflow's own pages
// therefore ask Airflow's router, which listens for history events. Outside a frame they are ordinary links.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  window.parent.history.pushState(null, "", link.pathname + link.search);
  window.parent.dispatchEvent(new PopStateEvent("popstate", { state: null }));
});
