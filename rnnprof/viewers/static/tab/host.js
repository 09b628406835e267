// What the page around this frame says: TensorBoard's theme, and when it has reloaded its data.

/** Follows TensorBoard's theme, or the browser's where this page stands alone. */
export function followTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const body = outerBody();
  const apply = () => {
    root.dataset.theme = (body ? body.classList.contains("dark-mode") : system.matches) ? "dark" : "light";
  };
  if (body) new MutationObserver(apply).observe(body, { attributes: true, attributeFilter: ["class"] });
  else system.addEventListener("change", apply);
  apply();
}

function outerBody() {
  try {
    return parent === window ? null : parent.document.body;
  } catch {
    return null; // A page of another origin is around this one.
  }
}

/** Calls back when TensorBoard reloads: by its button, or every so often. */
export function onReload(callback) {
  if (!outerBody()) return;
  const channel = new MessageChannel();
  channel.port1.onmessage = (event) => {
    const { type, id, isReply } = JSON.parse(event.data);
    if (isReply) return;
    channel.port1.postMessage(JSON.stringify({ type, id, payload: null, error: null, isReply: true }));
    if (type === "experimental.DataReloaded") callback();
  };
  parent.postMessage("experimental.bootstrap", location.origin, [channel.port2]);
}
