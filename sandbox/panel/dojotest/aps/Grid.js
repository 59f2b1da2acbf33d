/*
 * A list with columns, from a store of Dojo. Cells without a renderCell that returns a widget are markup. New cells are
 * created before the old ones are destroyed, so widgets in them must not have fixed ids.
 */
define([
    "dojo/_base/declare", "dojo/_base/lang", "dojo/dom-construct", "dojo/on", "dojo/when", "./_Templated"
], function (declare, lang, domConstruct, on, when, _Templated) {
    return declare("aps.Grid", _Templated, {
        templateString: "<div class='aps-grid'><table class='aps-grid-table'><thead><tr data-dojo-attach-point='headNode'></tr></thead>" +
            "<tbody data-dojo-attach-point='bodyNode'></tbody></table><p class='aps-grid-empty' data-dojo-attach-point='emptyNode'></p></div>",
        rowsPerPage: 10,
        noDataText: "",
        _setNoDataTextAttr: { node: "emptyNode", type: "innerText" },

        constructor: function () { this._cells = []; },

        _setColumnsAttr: function (columns) {
            this._set("columns", columns);
            domConstruct.empty(this.headNode);
            columns.forEach(function (column) {
                var head = domConstruct.create("th", { scope: "col" }, this.headNode);
                if (!column.sortable) {
                    head.textContent = column.name;
                    return;
                }
                var button = domConstruct.create("button", { type: "button", className: "aps-grid-sort", textContent: column.name }, head);
                this.own(on(button, "click", lang.hitch(this, "_sortBy", column.field, head)));
            }, this);
        },

        _setStoreAttr: function (store) {
            this._set("store", store);
            this._draw();
        },

        _sortBy: function (field, head) {
            var before = this._sort && this._sort[0];
            this._sort = [{ attribute: field, descending: Boolean(before && before.attribute === field && !before.descending) }];
            Array.prototype.forEach.call(this.headNode.children, function (other) { other.removeAttribute("aria-sort"); });
            head.setAttribute("aria-sort", this._sort[0].descending ? "descending" : "ascending");
            this._draw();
        },

        _draw: function () {
            when(this.store.query({}, { sort: this._sort, start: 0, count: this.rowsPerPage }), lang.hitch(this, function (rows) {
                var old = this._cells;
                var body = domConstruct.create("tbody");
                this._cells = [];
                rows.forEach(function (row) { this._drawRow(row, domConstruct.create("tr", null, body)); }, this);
                this.bodyNode.parentNode.replaceChild(body, this.bodyNode);
                this.bodyNode = body;
                this.emptyNode.hidden = rows.length > 0;
                old.forEach(function (widget) { widget.destroyRecursive(); });
            }));
        },

        _drawRow: function (row, line) {
            this.columns.forEach(function (column) {
                var cell = domConstruct.create("td", null, line);
                var drawn = column.renderCell ? column.renderCell(row) : row[column.field];
                if (drawn && drawn.domNode) {
                    this._cells.push(drawn.placeAt(cell));
                } else {
                    cell.innerHTML = drawn;
                }
            }, this);
        },

        destroy: function () {
            this._cells.forEach(function (widget) { widget.destroyRecursive(); });
            this.inherited(arguments);
        }
    });
});
