// Triggers the query DAG through Airflow's REST API, with the viewer's own login and rights, and follows its run.
window.dash_clientside = window.dash_clientside || {};
(() => {
  const ENDED = ["success", "failed"];
  const element = (type, props) => ({ namespace: "dash_html_components", type, props });
  const remedy = {
    401: "log in to Airflow again, then repeat it",
    403: "ask an administrator for the right to trigger this DAG",
    404: "the DAG is not there; put mistique_query.py of the project into the DAGs folder",
  };

  async function call(address, options) {
    const answer = await fetch(address, { credentials: "same-origin", headers: { Accept: "application/json", "Content-Type": "application/json" }, ...options });
    if (answer.ok) return answer.json();
    let detail = "";
    try { const body = await answer.json(); detail = typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail); } catch (error) { detail = answer.statusText; }
    throw new Error(`Airflow answered ${answer.status} (${detail}); ${remedy[answer.status] || "see the API server's log"}`);
  }

  function shown(run, question) {
    const sign = { queued: "waits for a free slot", running: "is running", success: "has succeeded", failed: "has failed" }[run.state] || run.state;
    const seconds = run.started ? Math.max(0, Math.round((Date.now() - run.started) / 1000)) : 0;
    const page = `${question.airflow}/dags/${encodeURIComponent(question.dag_id)}/runs/${encodeURIComponent(run.run_id)}`;
    return element("P", { className: "ask-progress", children: [
      element("Span", { className: `badge ${run.state === "queued" ? "running" : run.state}`, children: run.state }),
      ` The query DAG ${sign}${ENDED.includes(run.state) ? "" : ` (${seconds} s)`}. `,
      element("A", { href: page, "data-airflow": "", children: "The run in Airflow" }),
      run.paused ? " The DAG is paused: unpause mistique_query in Airflow, or the run waits for ever." : "",
    ] });
  }
  const problem = (error) => element("Div", { className: "problem", role: "alert", children: String(error.message || error) });

  window.dash_clientside.ask_button = {
    // (clicks, question) -> run, whether polling stops, what is shown, whether the button is disabled
    async trigger(clicks, question) {
      const same = window.dash_clientside.no_update;
      if (!clicks || !question) return [same, same, same, same];
      const dag = `${question.airflow}/api/v2/dags/${encodeURIComponent(question.dag_id)}`;
      try {
        const about = await call(dag);
        const made = await call(`${dag}/dagRuns`, { method: "POST", body: JSON.stringify({ logical_date: null, conf: question.conf }) });
        const run = { dag_id: question.dag_id, run_id: made.dag_run_id, state: made.state, started: Date.now(), paused: Boolean(about.is_paused) };
        return [run, false, shown(run, question), true];
      } catch (error) {
        return [same, true, problem(error), false];
      }
    },
    async poll(ticks, run, question) {
      const same = window.dash_clientside.no_update;
      if (!run || !question || ENDED.includes(run.state)) return [same, true, same, false];
      try {
        const found = await call(`${question.airflow}/api/v2/dags/${encodeURIComponent(run.dag_id)}/dagRuns/${encodeURIComponent(run.run_id)}`);
        const now = { ...run, state: found.state };
        const ended = ENDED.includes(now.state);
        return [ended ? now : same, ended, shown(now, question), !ended];
      } catch (error) {
        return [same, true, problem(error), false];
      }
    },
  };
})();
