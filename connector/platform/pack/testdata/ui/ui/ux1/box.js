define(["aps/View"], function (View) { return View; }); // http://aps.test/parcel/box/1.0
