/* A popup with fields that it makes when it opens. */
define(["dojo/_base/declare", "aps/_PopupView", "dojo/Deferred", "aps/xhr", "./tools/fields.js"], function (declare, _PopupView, Deferred, xhr, fields) {
    "use strict";
    return declare(_PopupView, {
        size: "md",
        init: function () {
            return ["aps/Panel", { id: this.genId("panel") }, [["aps/FieldSet", { id: this.genId("fields"), gridSize: "xs-12 md-12", type: "widgets" }]]];
        },
        onContext: function () {
            fields.add(this, aps.context.params.params, "fields");
            aps.apsc.hideLoading();
        },
        onCancel: function () { this.cancel(); },
        onSubmit: function () {
            const view = this;
            if (!view.byId("fields").validate()) {
                aps.apsc.cancelProcessing();
                return;
            }
            const data = JSON.stringify({ id: aps.context.params.id, params: fields.values(view, aps.context.params.params) });
            xhr.post("/aps/2/resources/" + aps.context.vars.depot.aps.id + "/change", { headers: { "Content-Type": "application/json" }, data }).then(function () {
                aps.apsc.hideLoading();
                view.submit();
            }).otherwise(function () {
                aps.apsc.hideLoading();
                aps.apsc.displayMessage(_("The parcel was not changed."));
            });
        },
        onHide: function () { this.byId("fields").removeAll(); }
    });
});
