// title: Box
// about: Everything that a scene needs, once.
//
// A box. What every scene needs: a scene, a camera that looks at it, a thing
// with a shape and a material, and a renderer that makes the picture. The
// black lines are a second thing upon the first: its edges.
//
// Change: turn (turns a minute), size.
import * as THREE from "three"

neo.param("turn", 6, { min: 0, max: 60, step: 1 })
neo.param("size", 2, { min: 0.5, max: 3, step: 0.1 })

const scene = new THREE.Scene()
scene.background = new THREE.Color("#faf8ef")
const camera = new THREE.PerspectiveCamera(45, 1, 0.1, 50)
camera.position.set(0, 0, 7)

const shape = new THREE.BoxGeometry(1, 1, 1)
// One ink a side: right, left, top, bottom, front, back.
const inks = ["#fb542e", "#fb542e", "#faf8ef", "#faf8ef", "#51ee8c", "#213cd8"]
// The sides step back a little, so that the edges lie clearly before them.
const back = { polygonOffset: true, polygonOffsetFactor: 1 }
const sides = inks.map((color) => new THREE.MeshBasicMaterial({ color, ...back }))
const box = new THREE.Mesh(shape, sides)
box.add(new THREE.LineSegments(new THREE.EdgesGeometry(shape), new THREE.LineBasicMaterial({ color: "#151525" })))
scene.add(box)

// Its shadow, out of register: the same box, flat and far behind.
const slip = new THREE.Mesh(shape, new THREE.MeshBasicMaterial({ color: "#cdf1d8" }))
slip.position.set(0.9, -0.7, -4)
scene.add(slip)

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
  box.rotation.y = (time / 60_000) * neo.params.turn * Math.PI * 2
  box.rotation.x = Math.sin(time / 2000) * 0.6
  box.scale.setScalar(neo.params.size)
  slip.rotation.copy(box.rotation)
  slip.scale.setScalar(neo.params.size * 1.5)
  renderer.render(scene, camera)
})
