/* A state as text with a colour. */
define(["dojo/_base/declare", "dojo/dom-attr", "./_Templated"], function (declare, domAttr, _Templated) {
    return declare("aps.Status", _Templated, {
        templateString: "<span class='aps-status'></span>",
        _setStatusAttr: function (key) {
            this._set("status", key);
            var info = (this.statusInfo || {})[key] || { label: String(key), type: "muted" };
            domAttr.set(this.domNode, { className: "aps-status aps-status-" + info.type, "data-status": key, textContent: info.label });
        }
    });
});
