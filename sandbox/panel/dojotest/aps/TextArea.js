/* A field of several lines: Dijit's, whose element is the field itself. */
define(["dojo/_base/declare", "dijit/form/SimpleTextarea", "./_Cell"], function (declare, SimpleTextarea, _Cell) {
    return declare("aps.TextArea", [SimpleTextarea, _Cell], { isField: true, label: "", hint: "" });
});
