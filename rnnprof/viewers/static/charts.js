// Stands in for Google's chart loader: the part of google.charts and google.visualization that
// torch-tb-profiler's page uses, drawn by rnnprof itself. After the public reference,
// https://developers.google.com/chart/interactive/docs/reference
(function () {
  'use strict';

  const base = document.currentScript.src;
  const parts = ['data', 'events', 'pie', 'bars', 'line', 'table', 'timeline'];
  let loading = null;

  function load(version, settings) {
    const given = [version, settings].find((value) => value && typeof value === 'object') || {};
    loading = loading || Promise.all(parts.map((part) => import(new URL(`charts/${part}.js`, base))));
    return loading.then((modules) => {
      google.visualization = Object.assign(google.visualization || {}, ...modules.map((module) => module.api));
      if (given.callback) given.callback();
    });
  }

  window.google = window.google || {};
  window.google.charts = { load, setOnLoadCallback: (callback) => void load().then(callback) };
})();
