// What is offered while one types: what `neo` has, and the words of p5 or of a canvas that come up most. Names alone; what they do is a click away in
// the documentation of each.

const NEO = [
  ["neo.param", "(name, value, { min, max, step })", "A number that others may change while it runs; answers its present value."],
  ["neo.params", "", "The present values by name."],
  ["neo.seed", "", "The run's seed. Math.random follows from it."],
  ["neo.width", "", "The frame's width in pixels, as it is now."],
  ["neo.height", "", "The frame's height in pixels, as it is now."],
  ["neo.dark", "", "Whether who looks prefers dark."],
  ["neo.still", "", "Whether who looks prefers reduced motion."],
  ["neo.on", "(\"resize\" | \"param\", …)", "Calls a function when the size or a number changes."],
]

const P5 = "angleMode arc atan2 background beginShape bezier blendMode ceil circle color colorMode constrain cos createCanvas createGraphics createVector curveVertex deltaTime dist ellipse endShape exp fill floor frameCount frameRate height image int key keyCode keyPressed lerp lerpColor line loadPixels log map max millis min mouseIsPressed mouseMoved mousePressed mouseReleased mouseX mouseY noFill noLoop noStroke noise noiseSeed norm pixelDensity pixels pmouseX pmouseY point pop pow push quad radians random randomGaussian randomSeed rect rectMode redraw resizeCanvas rotate round saturation scale shuffle sin smooth sq sqrt square stroke strokeCap strokeJoin strokeWeight tan text textAlign textFont textSize textStyle touches translate triangle updatePixels vertex width windowHeight windowResized windowWidth".split(" ")

const CANVAS = "context.arc context.arcTo context.beginPath context.bezierCurveTo context.clearRect context.clip context.closePath context.createLinearGradient context.drawImage context.ellipse context.fill context.fillRect context.fillStyle context.fillText context.font context.globalAlpha context.globalCompositeOperation context.lineCap context.lineJoin context.lineTo context.lineWidth context.moveTo context.putImageData context.quadraticCurveTo context.rect context.restore context.rotate context.save context.scale context.setLineDash context.stroke context.strokeRect context.strokeStyle context.textAlign context.translate".split(" ")

const THREE = "THREE.AmbientLight THREE.BoxGeometry THREE.BufferAttribute THREE.BufferGeometry THREE.CanvasTexture THREE.CircleGeometry THREE.Color THREE.ConeGeometry THREE.CylinderGeometry THREE.DirectionalLight THREE.EdgesGeometry THREE.Fog THREE.Group THREE.HemisphereLight THREE.IcosahedronGeometry THREE.InstancedMesh THREE.LatheGeometry THREE.Line THREE.LineBasicMaterial THREE.LineSegments THREE.Mesh THREE.MeshBasicMaterial THREE.MeshLambertMaterial THREE.MeshNormalMaterial THREE.MeshStandardMaterial THREE.MeshToonMaterial THREE.OrthographicCamera THREE.PerspectiveCamera THREE.PlaneGeometry THREE.PointLight THREE.Points THREE.PointsMaterial THREE.Scene THREE.ShaderMaterial THREE.SphereGeometry THREE.TorusGeometry THREE.TorusKnotGeometry THREE.TubeGeometry THREE.Vector2 THREE.Vector3 THREE.WebGLRenderer".split(" ")

/** The source of such words for a mode, as CodeMirror asks for it. */
export function words(mode) {
  const plain = { p5: P5, canvas: CANVAS, three: THREE }[mode] ?? []
  const options = [...NEO.map(([label, detail, info]) => ({ label, detail, info, type: "variable", boost: 1 })), ...plain.map((label) => ({ label, type: "function" }))]
  return (context) => {
    const begun = context.matchBefore(/[\w.]+/)
    if (!begun || begun.from === begun.to) return null
    const before = context.state.sliceDoc(context.state.doc.lineAt(begun.from).from, begun.from)
    // Nobody wants words inside a note.
    if (before.includes("//")) return null
    return { from: begun.from, options, validFor: /^[\w.]*$/ }
  }
}
