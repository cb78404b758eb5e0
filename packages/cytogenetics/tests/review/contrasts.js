() => { // the contrast of each text of the page with its ground, as WCAG defines it
  const light = (text) => {
    const [red, green, blue] = text.match(/[0-9.]+/g).map(Number).map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (one) => {
    const colour = getComputedStyle(one).backgroundColor;
    return /, 0\)$/.test(colour) ? ground(one.parentElement) : colour;
  };
  const texts = [...document.querySelectorAll("body *")].filter((one) => !one.disabled && one.offsetParent
    && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((one) => {
    const pair = [light(getComputedStyle(one).color), light(ground(one))];
    return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), one.outerHTML.slice(0, 80)];
  });
}
