/* Tiles, lists and the stores behind them. */
define("aps/Tiles", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class Tiles extends Widget {
        build() {
            this.domNode = this.containerNode = Widget.element("div", "aps-row aps-tiles");
        }
        set_description(text) {
            this.descriptionNode = this.descriptionNode || this.domNode.insertBefore(Widget.element("p", "aps-fieldset-description"), this.domNode.firstChild);
            this.descriptionNode.textContent = text;
        }
    };
});

define("aps/Tile", ["aps/_Widget", "aps/Button"], function (Widget, Button) {
    "use strict";
    return class Tile extends Widget {
        build() {
            this.titleNode = Widget.element("h2", "aps-title");
            this.infoNode = Widget.element("div", "aps-tile-info");
            this.containerNode = Widget.element("div", "aps-tile-body");
            this.buttonsNode = Widget.element("div", "aps-tile-buttons");
            const head = Widget.element("div", "aps-tile-head", this.titleNode, this.infoNode);
            const tile = Widget.element("section", "aps-tile", head, this.containerNode, this.buttonsNode);
            this.titleNode.id = this.id + "_title";
            tile.setAttribute("aria-labelledby", this.titleNode.id);
            this.domNode = Widget.element("div", "", tile);
            this.buttons = [];
        }
        set_title(title) { this.titleNode.textContent = title; }
        set_info(widget) { this.infoNode.replaceChildren(widget.domNode); }
        set_buttons(list) {
            this.buttons.forEach((button) => button.destroyRecursive());
            this.buttons = list.map((properties) => new Button(properties));
            this.buttonsNode.replaceChildren(...this.buttons.map((button) => button.domNode));
        }
    };
});

define("aps/Memory", ["dojo/when"], function (when) {
    "use strict";
    return class Memory {
        constructor(options) {
            this.idProperty = options && options.idProperty || "id";
            this.data = options && options.data || [];
        }
        get(id) { return this.data.find((row) => row[this.idProperty] === id); }
        query() { return when(this.data.slice()); }
    };
});

define("aps/Store", ["aps/xhr"], function (xhr) {
    "use strict";
    return class Store {
        constructor(options) { Object.assign(this, { idProperty: "id" }, options); }
        get(id) { return xhr.get(this.target + "/" + encodeURIComponent(id)); }
        query() { return xhr.get(this.target + (this.baseQuery ? "?" + this.baseQuery : "")); }
    };
});

define("aps/Grid", ["aps/_Widget", "aps/Button"], function (Widget, Button) {
    "use strict";
    const { element } = Widget;
    const filled = (value) => (value === undefined || value === null ? "" : value);
    const memberOf = (value, name) => (value !== null && typeof value === "object" && Object.hasOwn(value, name) ? value[name] : undefined);
    const cellOf = (row, field) => filled(field.split(".").reduce(memberOf, row));

    return class Grid extends Widget {
        build() {
            this.rows = [];
            this.page = 0;
            this.sorted = null;
            this.drawn = []; // the widgets in cells
            this.headNode = element("tr");
            this.bodyNode = element("tbody");
            this.emptyNode = element("p", "aps-grid-empty");
            this.rangeNode = element("span", "aps-grid-range");
            const pageButton = (label, text, by) => {
                const button = element("button", "aps-grid-turn", text);
                button.type = "button";
                button.setAttribute("aria-label", label);
                button.addEventListener("click", () => { this.page += by; this.draw(); });
                return button;
            };
            this.previous = pageButton(_("Previous page"), "‹", -1);
            this.next = pageButton(_("Next page"), "›", 1);
            this.pagerNode = element("div", "aps-grid-pager", this.previous, this.rangeNode, this.next);
            const table = element("table", "aps-grid-table", element("thead", "", this.headNode), this.bodyNode);
            this.domNode = element("div", "aps-grid", table, this.emptyNode, this.pagerNode);
        }
        set_columns(columns) {
            this.domNode.classList.toggle("aps-grid-sortable", columns.some((column) => column.sortable));
            this.headNode.replaceChildren(...columns.map((column) => {
                const cell = element("th", "", column.sortable ? this.sorter(column) : column.name);
                cell.scope = "col";
                return cell;
            }));
            this.markSorted();
        }
        /* sorter returns the heading of a sortable column: the first click sorts ascending, the second descending. */
        sorter(column) {
            const button = element("button", "aps-grid-sort", column.name);
            button.type = "button";
            button.addEventListener("click", () => {
                const down = this.sorted && this.sorted.field === column.field && !this.sorted.down;
                this.sorted = { field: column.field, down };
                this.markSorted();
                this.page = 0;
                this.draw();
            });
            return button;
        }
        /* filtered returns the rows whose values contain what the filters say. */
        filtered() {
            const filters = Object.entries(this.get("filters") || {});
            return this.rows.filter((row) => filters.every(([field, text]) => String(cellOf(row, field)).includes(filled(text))));
        }
        /* inOrder returns the rows that are not filtered out in the order of the store, or sorted by the raw values of a column. */
        inOrder() {
            const rows = this.filtered();
            if (!this.sorted) {
                return rows;
            }
            const { field, down } = this.sorted;
            const compare = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
            return rows.sort((a, b) => compare(cellOf(a, field), cellOf(b, field)) * (down ? -1 : 1));
        }
        set_sort(order) {
            this.sorted = { field: order.attribute, down: Boolean(order.descending) };
            this.markSorted();
        }
        /* markSorted shows at the heading of the column by which the rows are sorted how they are. */
        markSorted() {
            this.headNode.querySelectorAll("th").forEach((cell, i) => {
                cell.removeAttribute("aria-sort");
                if (this.sorted && this.get("columns")[i].field === this.sorted.field && cell.querySelector("button")) {
                    cell.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
                }
            });
        }
        set_noDataText() { this.nameEmpty(); }
        set_noEntriesFoundText() { this.nameEmpty(); }
        nameEmpty() {
            this.emptyNode.textContent = filled(this.get(this.rows.length > 0 ? "noEntriesFoundText" : "noDataText"));
        }
        set_store(store) {
            store.query().then((rows) => {
                this.rows = rows;
                this.page = Math.min(this.page, Math.max(0, Math.ceil(rows.length / (this.get("rowsPerPage") || 10)) - 1));
                this.draw();
            });
        }
        draw() {
            const size = this.get("rowsPerPage") || 10;
            const rows = this.inOrder();
            const first = this.page * size;
            const shown = rows.slice(first, first + size);
            const focused = this.bodyNode.contains(document.activeElement) ? document.activeElement.id : "";
            this.drawn.forEach((widget) => widget.destroyRecursive());
            this.drawn = [];
            this.bodyNode.replaceChildren(...shown.map((row) => this.line(row)));
            this.nameEmpty();
            this.emptyNode.hidden = rows.length > 0;
            this.domNode.querySelector("table").hidden = rows.length === 0;
            this.pagerNode.hidden = rows.length <= size;
            this.rangeNode.textContent = first + 1 + "–" + (first + shown.length) + " / " + rows.length;
            this.previous.disabled = first === 0;
            this.next.disabled = first + size >= rows.length;
            if (focused && document.getElementById(focused)) {
                document.getElementById(focused).focus();
            }
        }
        line(row) {
            return element("tr", "", ...this.get("columns").map((column) => {
                const drawn = column.renderCell ? column.renderCell(row) : cellOf(row, column.field);
                if (drawn && drawn.domNode) {
                    this.drawn.push(drawn);
                }
                const cell = element("td", "", drawn && drawn.domNode ? drawn.domNode : String(filled(drawn)));
                cell.dataset.label = column.name;
                return cell;
            }));
        }
    };
});
