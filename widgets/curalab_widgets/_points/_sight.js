// A layer over a jupyter-scatter. The scatter tells every move to all views that are synchronised
// with it (view_sync), on the channel below; where that should change one day, the layer stays empty.
function render({ model, el }) {
  const channel = new BroadcastChannel("pub-sub-es");
  let view = model.get("sight");
  let timer = 0;

  Object.assign(el.style, { position: "absolute", inset: "0", overflow: "hidden", pointerEvents: "none" });

  function draw() {
    const [left, right, bottom, top] = view;
    for (const image of el.children) {
      const { x, y } = image.dataset;
      image.style.left = `${(100 * (x - left)) / (right - left)}%`;
      image.style.top = `${(100 * (top - y)) / (top - bottom)}%`;
    }
  }
  function fill() {
    el.replaceChildren(...model.get("places").map(([point, x, y, address]) => {
      const image = document.createElement("img");
      image.src = address;
      image.alt = "";
      image.className = "curalab-there";
      Object.assign(image.dataset, { x, y, point });
      return image;
    }));
    draw();
  }
  channel.onmessage = ({ data }) => {
    const news = data?.news;
    if (data?.event !== "jscatter::view" || news?.uuid !== model.get("name")) return;
    if (!news.xScaleDomain || !news.yScaleDomain) return;
    view = [...news.xScaleDomain, ...news.yScaleDomain];
    draw();
    clearTimeout(timer);
    timer = setTimeout(() => {
      model.set("sight", view);
      model.save_changes();
    }, 150);
  };
  model.on("change:places", fill);
  fill();
  return () => {
    clearTimeout(timer);
    channel.close();
    model.off("change:places", fill);
  };
}

export default { render };
