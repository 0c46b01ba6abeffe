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

export function setShare(node, share) {
  const value = `scaleX(${Math.min(1, Math.max(0, share)).toFixed(4)})`;
  if (node.style.transform !== value) node.style.transform = value;
}
