/* Fields for the parameters of a parcel. A view in another folder names this file from the page. */
define(["aps/TextBox", "aps/Select"], function (TextBox, Select) {
    "use strict";
    return {
        add: function (view, parameters, place) {
            parameters.forEach(function (p) {
                const properties = { id: view.genId("p_" + p.id), label: p.title, value: p.value, required: true };
                view.byId(place).addChild(p.options ? new Select(Object.assign(properties, { options: p.options })) : new TextBox(properties));
            });
        },
        values: (view, parameters) => Object.fromEntries(parameters.map((p) => [p.id, view.byId("p_" + p.id).get("value")]))
    };
});
