// A page's state goes into its address without leaving an entry in the history and without laying the page out again.
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.permalink = {
  replace(search) {
    if (typeof search === "string" && search !== window.location.search) {
      window.history.replaceState(window.history.state, "", window.location.pathname + search);
    }
  },
};
