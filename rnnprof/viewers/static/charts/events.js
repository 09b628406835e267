// What happens to a chart, and who wants to know: google.visualization.events.

const listeners = new WeakMap();

export function trigger(chart, name, about = null) {
  ((listeners.get(chart) || {})[name] || []).slice().forEach((callback) => callback(about));
}

function addListener(chart, name, callback) {
  const all = listeners.get(chart) || {};
  listeners.set(chart, all);
  (all[name] = all[name] || []).push(callback);
  return { chart, name, callback };
}

function removeListener(handle) {
  const all = listeners.get(handle.chart) || {};
  all[handle.name] = (all[handle.name] || []).filter((callback) => callback !== handle.callback);
}

function removeAllListeners(chart) {
  listeners.delete(chart);
}

export const api = { events: { addListener, removeListener, removeAllListeners, trigger } };
