/**
 * A hundred texts that try to run something where they are shown: as a part id, a label, a name, a defect class, a tag.
 * Each of them sets `window.hacked` when it succeeds, or opens a dialog; `HOSTILE_MARK` is what to look for. A page that
 * shows them shows them letter by letter.
 */

/** What a text that ran leaves behind: `window[HOSTILE_MARK]` is then no longer undefined. */
export const HOSTILE_MARK = 'hacked';

const RUN = `window.${HOSTILE_MARK}=1`;
const ENCODED = Array.from(RUN, (letter) => `&#${letter.charCodeAt(0)};`).join('');
const HEXADECIMAL = Array.from(RUN, (letter) => `&#x${letter.charCodeAt(0).toString(16)};`).join('');
const BASE64 = btoa(`<script>parent.${HOSTILE_MARK}=1</script>`);

const SCRIPTS = [
  `<script>${RUN}</script>`,
  `<SCRIPT>${RUN}</SCRIPT>`,
  `<script >${RUN}</script >`,
  `<script/x>${RUN}</script>`,
  `<script\n>${RUN}</script>`,
  `<script type=module>${RUN}</script>`,
  `<script src="data:text/javascript,${RUN}"></script>`,
  `<script src=data:text/javascript;base64,${btoa(RUN)}></script>`,
  `</script><script>${RUN}</script>`,
  `"><script>${RUN}</script>`,
  `'><script>${RUN}</script>`,
  `<scr<script>ipt>${RUN}</scr</script>ipt>`,
  `--><script>${RUN}</script><!--`,
  `]]><script>${RUN}</script>`,
];

const HANDLERS = [
  `<img src=x onerror="${RUN}">`,
  `<img src=x onerror=${RUN}>`,
  `<img src=x oNeRrOr=${RUN}//`,
  `<img/src=x/onerror=${RUN}>`,
  `<img src="x" onerror='${RUN}' alt="part">`,
  `<img src=data:image/gif;base64,R0lGODlhAQABAAAAACw= onload=${RUN}>`,
  `<image src=x onerror=${RUN}>`,
  `<body onload=${RUN}>`,
  `<input autofocus onfocus=${RUN}>`,
  `<select autofocus onfocus=${RUN}><option>a</select>`,
  `<textarea autofocus onfocus=${RUN}></textarea>`,
  `<button autofocus onfocus=${RUN}>go</button>`,
  `<details open ontoggle=${RUN}><summary>a</summary></details>`,
  `<video src=x onerror=${RUN}></video>`,
  `<video><source onerror=${RUN}></video>`,
  `<audio src=x onerror=${RUN}></audio>`,
  `<object data=x onerror=${RUN}></object>`,
  `<embed src=x onerror=${RUN}>`,
  `<link rel=stylesheet href=x onerror=${RUN}>`,
  `<marquee onstart=${RUN}>a</marquee>`,
  `<div onpointerover=${RUN} style="position:fixed;inset:0;z-index:99999">a</div>`,
  `<b onmouseenter=${RUN} onmouseover=${RUN}>hover</b>`,
  `<a onfocus=${RUN} autofocus tabindex=1>a</a>`,
  `" onmouseover="${RUN}" onfocus="${RUN}" autofocus="`,
  `' onmouseover='${RUN}' onfocus='${RUN}' autofocus='`,
  `" onerror="${RUN}" src="x`,
];

const DRAWINGS = [
  `<svg onload=${RUN}></svg>`,
  `<svg/onload=${RUN}>`,
  `<svg><script>${RUN}</script></svg>`,
  `<svg><script xlink:href="data:text/javascript,${RUN}"/></svg>`,
  `<svg><animate onbegin=${RUN} attributeName=x dur=1s></svg>`,
  `<svg><set onbegin=${RUN} attributeName=x to=1></svg>`,
  `<svg><a xlink:href="javascript:${RUN}"><text x=20 y=20>a</text></a></svg>`,
  `<svg><image href=x onerror=${RUN} /></svg>`,
  `<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><image href='x' onerror='${RUN}'/></svg>#x"/></svg>`,
  `<svg><foreignObject><img src=x onerror=${RUN}></foreignObject></svg>`,
  `<svg><style><img src=x onerror=${RUN}></style></svg>`,
  `</tspan><image href=x onerror=${RUN} />`,
  `</text></svg><img src=x onerror=${RUN}>`,
  `<math><mtext><img src=x onerror=${RUN}></mtext></math>`,
  `<math><a xlink:href="javascript:${RUN}">a</a></math>`,
];

const FRAMES = [
  `<iframe srcdoc="<script>parent.${HOSTILE_MARK}=1</script>"></iframe>`,
  `<iframe srcdoc="&lt;img src=x onerror=parent.${HOSTILE_MARK}=1&gt;"></iframe>`,
  `<iframe src="javascript:parent.${HOSTILE_MARK}=1"></iframe>`,
  `<iframe onload=${RUN}></iframe>`,
  `<iframe src=data:text/html;base64,${BASE64}></iframe>`,
  `<frameset onload=${RUN}><frame></frameset>`,
  `<object data="data:text/html;base64,${BASE64}"></object>`,
  `<embed src="data:text/html;base64,${BASE64}">`,
  `<portal src="javascript:${RUN}" onload=${RUN}></portal>`,
];

const ADDRESSES = [
  `javascript:${RUN}`,
  `JaVaScRiPt:${RUN}`,
  ` javascript:${RUN}`,
  `java\tscript:${RUN}`,
  `javascript://%0a${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `vbscript:${RUN}`,
  `<a href="javascript:${RUN}">a</a>`,
  `<form action="javascript:${RUN}"><button autofocus>go</button></form>`,
  `<button formaction="javascript:${RUN}">go</button>`,
  `<base href="javascript:${RUN}//">`,
  `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`,
  `[part](javascript:${RUN})`,
  `![part](x"onerror="${RUN})`,
];

const TEMPLATES = [
  `{{constructor.constructor('${RUN}')()}}`,
  `{{_c.constructor('${RUN}')()}}`,
  `{{$emit.constructor\`${RUN}\`()}}`,
  `{{{constructor.constructor('${RUN}')()}}}`,
  `{{this.constructor.constructor('${RUN}')()}}`,
  `\${${RUN}}`,
  `\`;${RUN};//`,
  `<%= ${RUN} %>`,
  `#{${RUN}}`,
  `');${RUN};//`,
  `";${RUN};//`,
  `<div v-html="'<img src=x onerror=${RUN}>'"></div>`,
];

const STYLES = [
  `<style>@import 'javascript:${RUN}';</style>`,
  `<style onload=${RUN}></style>`,
  `<p style="background:url(javascript:${RUN})">a</p>`,
  `<p style="animation-name:spin" onanimationstart=${RUN}>a</p><style>@keyframes spin{}</style>`,
];

const ENCODINGS = [
  `<img src=x onerror="${ENCODED}">`,
  `<img src=x onerror="${HEXADECIMAL}">`,
  `&lt;img src=x onerror=${RUN}&gt;`,
  `%3Cimg%20src%3Dx%20onerror%3D${encodeURIComponent(RUN)}%3E`,
  `\\u003cimg src=x onerror=${RUN}\\u003e`,
  `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
];

export const HOSTILE_TEXTS: readonly string[] = [
  ...SCRIPTS,
  ...HANDLERS,
  ...DRAWINGS,
  ...FRAMES,
  ...ADDRESSES,
  ...TEMPLATES,
  ...STYLES,
  ...ENCODINGS,
];
