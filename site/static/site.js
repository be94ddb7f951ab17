// The gallery's choices, and figures that open alone. Without scripts, the first picture and all links still work.

function gallery(form) {
  const link = form.querySelector("figure a");
  const image = form.querySelector("figure img");
  const caption = form.querySelector("figcaption span");
  const chosen = (kind) => form.elements[kind].value;
  const spoken = (name) => name.replaceAll("_", " ");

  function show() {
    const [content, style] = [chosen("content"), chosen("style")];
    const words = `${spoken(content)} in the style “${spoken(style)}”`;
    link.href = image.src = `${form.dataset.pictures}${content}_${style}.webp`;
    image.alt = caption.textContent = words;
    history.replaceState(null, "", `#${content}-${style}`);
  }

  function follow() {
    const [content, style] = location.hash.slice(1).split("-");
    for (const [kind, name] of [["content", content], ["style", style]]) {
      const box = [...form.elements[kind]].find((one) => one.value === name);
      if (box) box.checked = true;
    }
    if (style) show();
  }

  // Through all styles of a content, then on to the next content.
  function turn(by) {
    const contents = [...form.elements.content];
    const styles = [...form.elements.style];
    const place = contents.findIndex((box) => box.checked) * styles.length + styles.findIndex((box) => box.checked);
    const all = contents.length * styles.length;
    const next = (place + by + all) % all;
    contents[Math.floor(next / styles.length)].checked = true;
    styles[next % styles.length].checked = true;
    show();
  }

  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of form.querySelectorAll("[data-turn]")) {
    button.addEventListener("click", () => turn(Number(button.dataset.turn)));
  }
  addEventListener("hashchange", follow);
  follow();
}

// On a small screen a figure is best seen alone, where it can be enlarged.
function openAlone(image) {
  const link = document.createElement("a");
  link.href = image.src;
  link.className = "nst-alone";
  image.replaceWith(link);
  link.append(image);
}

document.querySelectorAll(".nst-picker").forEach(gallery);
document.querySelectorAll("article img").forEach((image) => {
  if (!image.closest("a, label, .nst-hero")) openAlone(image);
});
// What scrolls within itself must be reachable by keyboard.
document.querySelectorAll("article pre, .pst-scrollable-table-container, mjx-container[display]").forEach((box) => {
  if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
});
