/* Arranges fields, and gives them their labels and hints. */
define(["dojo/_base/declare", "dojo/dom-class", "dojo/dom-construct", "./_Templated"], function (declare, domClass, domConstruct, _Templated) {
    return declare("aps.FieldSet", _Templated, {
        templateString: "<div class='aps-fieldset'><h3 class='aps-fieldset-title' data-dojo-attach-point='titleNode'></h3>" +
            "<p class='aps-fieldset-description' data-dojo-attach-point='descriptionNode'></p>" +
            "<div class='aps-row' data-dojo-attach-point='containerNode'></div></div>",
        _setTitleAttr: { node: "titleNode", type: "innerText" },
        _setDescriptionAttr: { node: "descriptionNode", type: "innerText" },

        addChild: function (child) {
            this.inherited(arguments);
            if (child.isField) {
                var field = domConstruct.create("div", { className: "aps-field" }, child.domNode, "before");
                domConstruct.create("label", { className: "aps-label", textContent: child.label, htmlFor: child.id }, field);
                field.appendChild(child.domNode);
                domConstruct.create("div", { className: "aps-hint", textContent: child.hint }, field);
                domClass.add(field, child.gridSize.replace(/(\S+)/g, "col-$1"));
            }
        },

        validate: function () {
            return this.getChildren().every(function (child) { return !child.validate || child.validate(); });
        }
    });
});
