// title: Ribbon
// about: A tube along three sines, drawn a part at a time.
//
// A ribbon that draws itself. Its path is a Lissajous figure: three sines,
// one a direction. The tube along it is made at once; only a part of its
// triangles is drawn, and that part moves along.
//
// Change: knots (try 2, 3, 5), length (of the part that is drawn, 0 to 1).
import * as THREE from "three"

neo.param("knots", 3, { min: 1, max: 9, step: 1 })
neo.param("length", 0.6, { min: 0.05, max: 1, step: 0.05 })

class Figure extends THREE.Curve {
  getPoint(t, target = new THREE.Vector3()) {
    const angle = t * Math.PI * 2
    const up = Math.sin(angle * Math.round(neo.params.knots) + 1)
    return target.set(Math.sin(angle * 2) * 2.4, up * 1.7, Math.cos(angle * 3) * 1.6)
  }
}

const scene = new THREE.Scene()
scene.background = new THREE.Color("#213cd8")
const camera = new THREE.PerspectiveCamera(45, 1, 0.1, 50)
camera.position.z = 8.5
const lamp = new THREE.DirectionalLight("#ffffff", 2.5)
lamp.position.set(1, 3, 4)
scene.add(lamp, new THREE.AmbientLight("#ffffff", 1))
const ribbon = new THREE.Mesh(new THREE.BufferGeometry(), new THREE.MeshLambertMaterial({ color: "#51ee8c" }))
const slip = new THREE.Mesh(ribbon.geometry, new THREE.MeshBasicMaterial({ color: "#151525" }))
slip.position.set(0.16, -0.16, -0.6)
scene.add(slip, ribbon)
let tied

function tie() {
  ribbon.geometry.dispose()
  ribbon.geometry = slip.geometry = new THREE.TubeGeometry(new Figure(), 260, 0.2, 9, true)
  tied = neo.params.knots
}

const renderer = new THREE.WebGLRenderer({ antialias: true })
document.body.append(renderer.domElement)
function fit() {
  camera.aspect = neo.width / neo.height
  camera.updateProjectionMatrix()
  renderer.setSize(neo.width, neo.height)
}
neo.on("resize", fit)
fit()

renderer.setAnimationLoop((time) => {
  if (tied !== neo.params.knots) tie()
  const all = ribbon.geometry.index.count
  // The start runs from the tail's beginning to the figure's end, and begins
  // anew.
  const head = ((time / 9000) % 1) * (1 + neo.params.length)
  const from = Math.max(0, head - neo.params.length)
  const triangles = (share) => Math.floor((share * all) / 3) * 3
  ribbon.geometry.setDrawRange(triangles(from), triangles(Math.min(1, head) - from))
  ribbon.rotation.y = slip.rotation.y = Math.sin(time / 3500) * 0.7
  renderer.render(scene, camera)
})
