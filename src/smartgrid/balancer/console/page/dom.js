// Small helpers for elements. Text goes in as text, never as markup; the page is touched only where it changes.

export const byId = (id) => document.getElementById(id);

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setData(node, key, value) {
  if (node.dataset[key] !== value) node.dataset[key] = value;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// The browser may write a style's value another way, so what was set last is kept beside it.
const styles = new WeakMap();

export function setStyle(node, property, value) {
  const known = styles.get(node) ?? {};
  if (known[property] === value) return;
  node.style[property] = value;
  styles.set(node, { ...known, [property]: value });
}

export function setShare(node, share) {
  setStyle(node, "transform", `scaleX(${Math.min(1, Math.max(0, share)).toFixed(4)})`);
}
