// Cells and callbacks of ModelDB's pages; text is set as text, never as HTML.
(() => {
  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  cells.MistiqueLink = (props) => {
    if (!props.data) return null;
    const parts = [React.createElement("a", { key: "a", href: props.data.href }, props.value || "–")];
    if (props.data.kind) parts.push(React.createElement("span", { key: "b", className: "badge kind" }, props.data.kind));
    return React.createElement("span", null, parts);
  };
  cells.MistiqueBadge = (props) =>
    props.value ? React.createElement("span", { className: `badge ${props.value}` }, props.value) : null;

  const clientside = (window.dash_clientside = window.dash_clientside || {});
  clientside.modeldb = {
    reload: () => {
      window.dash_ag_grid?.getApiAsync("models-grid").then((api) => api.purgeInfiniteCache());
      return window.dash_clientside.no_update;
    },
    zone: () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
  };
})();
