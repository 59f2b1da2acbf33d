/* A field of one line: Dijit's, with the label and the hint that a FieldSet gives it. */
define(["dojo/_base/declare", "dijit/form/ValidationTextBox", "./_Cell"], function (declare, ValidationTextBox, _Cell) {
    return declare("aps.TextBox", [ValidationTextBox, _Cell], { isField: true, label: "", hint: "" });
});
