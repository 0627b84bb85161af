// Every text whose contrast with its ground is below 4.5 (WCAG 2.2, success criterion 1.4.3), with the number; and every
// field's edge and every colour of a chart that is below 3 (1.4.11).
(() => {
  const parse = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const channel = (value) => { const part = value / 255; return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; };
  const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("title, option, style")) continue;
    const style = getComputedStyle(element);
    const ink = luminance(parse(element.closest("svg") ? style.fill : style.color));
    const paper = luminance(ground(element));
    const told = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (told < 4.5) found.push(`${walker.currentNode.textContent.trim().slice(0, 40)}: ${told.toFixed(2)}`);
  }
  const contrast = (one, other) => {
    const [high, low] = [luminance(parse(one)), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  for (const field of document.querySelectorAll("input:not([type=hidden]), select")) {
    const edge = contrast(getComputedStyle(field).borderTopColor, ground(field.parentElement));
    if (edge < 3) found.push(`edge of ${field.name}: ${edge.toFixed(2)}`);
    const hint = contrast(getComputedStyle(field, "::placeholder").color, ground(field));
    if (field.placeholder && hint < 4.5) found.push(`hint of ${field.name}: ${hint.toFixed(2)}`);
  }
  for (const shape of document.querySelectorAll("rect[class^=s-]")) {
    const told = contrast(getComputedStyle(shape).fill, ground(shape));
    if (told < 3) found.push(`${shape.getAttribute("class")}: ${told.toFixed(2)}`);
  }
  return [...new Set(found)];
})()
