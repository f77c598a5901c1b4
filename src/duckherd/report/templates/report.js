(()=>{const $=id=>document.getElementById(id),grid=$("grid"),body=$("rows");if(!grid)return;
let order=[...body.rows];const num=(r,i)=>{const v=parseFloat(r.cells[i].textContent.replace("−","-"));return isNaN(v)?1e9:v};
const by={"":null,name:r=>r.cells[0].textContent.trim(),left:r=>num(r,4),attained:r=>num(r,3)};
const asked=()=>$("q").value||$("owner").value||$("tag").value||$("state").value;
function filter(){const q=$("q").value.toLowerCase(),o=$("owner").value,t=$("tag").value,s=$("state").value;let n=0;
for(const r of body.rows){const d=r.dataset,ok=(!q||r.cells[0].textContent.toLowerCase().includes(q))&&(!o||d.o==o)&&(!t||(" "+d.t+" ").includes(" "+t+" "))&&(!s||d.s==s);r.hidden=!ok;n+=ok}
grid.classList.toggle("all",!!asked()||grid.dataset.all=="1");$("found").textContent=asked()?n+" of "+body.rows.length+" tables":""}
function sort(){const k=by[$("sort").value];let rows=[...order];if(k)rows.sort((a,b)=>{const x=k(a),y=k(b);return x<y?-1:x>y?1:0});
rows.forEach((r,i)=>{r.classList.toggle("more",i>=25);body.append(r)});filter()}
for(const id of["q","owner","tag","state"])$(id).addEventListener("input",filter);$("sort").addEventListener("input",sort);
const all=$("all");if(all)all.addEventListener("click",()=>{grid.dataset.all="1";all.hidden=true;filter()});
body.addEventListener("click",e=>{const s=e.target.closest("svg.bar");if(s&&!e.target.closest("a")){location.hash=s.closest("tr").cells[0].querySelector("a").getAttribute("href")}});
let from=null;const id=()=>decodeURIComponent(location.hash.slice(1));
const page=()=>{const t=id()&&($(id())||$(id().split("-")[0]));return t&&t.closest(".page")};
addEventListener("hashchange",()=>{const p=page();document.body.style.overflow=p?"hidden":"";if(p){if(window.htmx&&!p.dataset.open){p.dataset.open=1;htmx.trigger(p,"open")}p.focus({preventScroll:true})}else if(from){from.focus({preventScroll:true});from=null}});
addEventListener("click",e=>{if(!page()&&e.target.closest("a[href^='#t']"))from=e.target.closest("a")},true);
const close=()=>{const y=scrollY;location.hash="#tables";scrollTo(0,y)};
addEventListener("keydown",e=>{if(e.key=="Escape"&&page())close()});
addEventListener("click",e=>{if(e.target.closest(".close")){e.preventDefault();close()}});
const close_all=()=>{for(const p of document.querySelectorAll(".page[data-open]"))if(p!=page())delete p.dataset.open};addEventListener("hashchange",close_all);
addEventListener("htmx:oobAfterSwap",e=>{if(e.detail.target.id=="rows"){order=[...body.rows];sort();const p=page();if(p)htmx.trigger(p,"open")}});
addEventListener("htmx:afterSettle",e=>{if(e.target.classList.contains("page")&&id().includes("-")&&!e.target.dataset.day){e.target.dataset.day=1;const h=location.hash;history.replaceState(null,"","#");location.hash=h}});
})();
