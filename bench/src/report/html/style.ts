import { fonts, themeStyle } from '../plot/theme.ts'

/** The page's style: readable from 320 px on, in light and dark. */
export const pageStyle = `${themeStyle}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 ${fonts}}
main,header,footer{max-width:1240px;margin:0 auto;padding:0 1rem}
header p{max-width:none}
h1{font-size:1.7rem;line-height:1.2;margin:1.5rem 0 .3rem}
h2{font-size:1.3rem;margin:2.5rem 0 .5rem;border-top:1px solid var(--line);padding-top:1.5rem}
h3{font-size:1.05rem;margin:1.8rem 0 .2rem}
p{margin:.3rem 0;max-width:75ch;overflow-wrap:anywhere}
li{overflow-wrap:anywhere}
a{color:var(--link)}
code{font-size:.9em;overflow-wrap:anywhere}
.notice{border-left:3px solid var(--bad);padding-left:.8rem}
.quiet,figcaption,caption{color:var(--quiet);font-size:.87rem}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15.5rem),1fr));gap:.75rem;margin:1rem 0;padding:0;list-style:none}
.cards li{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem;min-width:0}
.cards strong{display:block;font-size:1.5rem;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums}
.cards small{font-size:.95rem;font-weight:400}
.cards li>span{display:block}
.met{color:var(--good)}.missed{color:var(--bad)}.undecided,.unmeasured{color:var(--doubt)}
.slower{color:var(--bad)}.faster{color:var(--good)}
.questions section{border-top:1px solid var(--line);padding:.4rem 0 1rem;margin-top:1rem}
.questions h3{margin-top:.6rem}
.words{font-weight:600}
.missing{margin:.4rem 0;padding-left:1.1rem;max-width:75ch;overflow-wrap:anywhere}
.several .figures{columns:28rem 2;column-gap:2.5rem;margin-top:.6rem}
figure{margin:0 0 1.2rem;max-width:38rem;break-inside:avoid}
@media(min-width:960px){.one{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,38rem);gap:2.5rem}}
figure svg{display:block;width:100%;height:auto}
figure b{font-weight:600}
details{margin:.6rem 0;border:1px solid var(--line);border-radius:8px;padding:.2rem .8rem;overflow-x:auto}
summary{cursor:pointer;padding:.35rem 0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.87rem;margin:.6rem 0 1rem}
caption{text-align:left;padding:.3rem 0}
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:break-word}
td.number{text-align:right;font-variant-numeric:tabular-nums}
th button{font:inherit;font-weight:600;color:inherit;background:none;border:0;padding:.2rem 0;cursor:pointer;text-align:left}
th button:hover,th button:focus-visible{color:var(--link)}
th button::after{content:' \\2195';color:var(--quiet);font-weight:400}
th[aria-sort=ascending] button::after{content:' \\2191';color:var(--link)}
th[aria-sort=descending] button::after{content:' \\2193';color:var(--link)}
td small{color:var(--quiet);white-space:nowrap}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) minmax(0,1fr);gap:.2rem .9rem;margin:.4rem 0;font-size:.9rem}
dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:3rem;padding-bottom:2rem}
@media(max-width:1020px){
 table,caption,tbody,tr,td{display:block;width:100%}
 thead tr{display:flex;flex-wrap:wrap;gap:.1rem .8rem}
 thead,th{display:block}th{border:0;padding:0}
 tbody tr{border-bottom:2px solid var(--line);padding:.3rem 0}
 td,td.number{display:grid;grid-template-columns:minmax(0,9rem) minmax(0,1fr);gap:.6rem;border:0;padding:.1rem 0;text-align:left}
 td::before{content:attr(data-label);color:var(--quiet)}
 dl{grid-template-columns:minmax(0,1fr)}dt{margin-top:.3rem}
}`
