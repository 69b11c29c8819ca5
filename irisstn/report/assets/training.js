"use strict";
// The slider that shows the sample picture of each epoch.
const SAMPLES = JSON.parse(document.getElementById("samples").textContent);
const epoch = document.getElementById("epoch");
function showSample() {
  const sample = SAMPLES[Number(epoch.value)];
  document.getElementById("epoch-name").textContent = sample.title;
  document.getElementById("epoch-picture").src = sample.source;
}
epoch.addEventListener("input", showSample);
document.getElementById("by-epoch").hidden = false;
showSample();
