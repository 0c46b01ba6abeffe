// The rows of a table, one for each item by its key; those that stay are changed in place and keep the focus.

export class Rows {
  constructor(body, keyOf, make, fill) {
    Object.assign(this, { body, keyOf, make, fill, rows: new Map() });
  }

  clear() {
    this.rows.clear();
    this.body.replaceChildren();
  }

  show(items) {
    const present = new Set(items.map(this.keyOf));
    for (const [key, row] of this.rows) {
      if (!present.has(key)) {
        row.root.remove();
        this.rows.delete(key);
      }
    }
    items.forEach((item, index) => {
      const key = this.keyOf(item);
      if (!this.rows.has(key)) this.rows.set(key, this.make(item));
      const row = this.rows.get(key);
      this.fill(row, item);
      if (this.body.children[index] !== row.root) this.body.insertBefore(row.root, this.body.children[index] ?? null);
    });
  }
}
