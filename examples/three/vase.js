// title: Vase
// about: A profile on a lathe; change two numbers and it is another pot.
//
// A vase, on the wheel. A lathe takes one line, the profile, and turns it
// round. The profile here is a sum of two waves: change them and it is
// another pot.
//
// Change: belly, neck (how wide it is in the middle, and above).
import * as THREE from "three"

neo.param("belly", 0.55, { min: 0, max: 1.2, step: 0.05 })
neo.param("neck", 0.3, { min: -0.6, max: 0.9, step: 0.05 })

const scene = new THREE.Scene()
scene.background = new THREE.Color("#faf8ef")
const camera = new THREE.PerspectiveCamera(40, 1, 0.1, 50)
camera.position.set(0, 2.2, 7)
camera.lookAt(0, 0, 0)
const lamp = new THREE.DirectionalLight("#ffffff", 3.4)
lamp.position.set(-3, 4, 4)
scene.add(lamp, new THREE.AmbientLight("#a4bfff", 1.2))

const clay = new THREE.MeshLambertMaterial({ color: "#fb542e", side: THREE.DoubleSide })
const rings = new THREE.LineBasicMaterial({ color: "#151525" })
const wheel = new THREE.Group()
scene.add(wheel)
const disc = new THREE.CylinderGeometry(2.1, 2.1, 0.16, 48)
const table = new THREE.Mesh(disc, new THREE.MeshLambertMaterial({ color: "#51ee8c" }))
table.position.y = -1.68
scene.add(table)
let thrown

function wide(high) {
  const belly = neo.params.belly * Math.sin(high * Math.PI) ** 2
  return 0.42 + belly + neo.params.neck * (high - 0.5) * Math.sin(high * 6.2)
}

function shape() {
  for (const part of wheel.children) part.geometry.dispose()
  wheel.clear()
  const point = (_, i) => new THREE.Vector2(Math.max(0.12, wide(i / 40)), i / 12.5 - 1.6)
  const profile = Array.from({ length: 41 }, point)
  wheel.add(new THREE.Mesh(new THREE.LatheGeometry(profile, 40), clay))
  // The potter's fingers leave rings.
  for (let i = 4; i < 41; i += 6) {
    const round = Array.from({ length: 49 }, (_, step) => {
      const angle = (step / 24) * Math.PI
      const out = profile[i].x + 0.012
      const up = profile[i].y + Math.sin(angle * 5) * 0.02
      return new THREE.Vector3(Math.cos(angle) * out, up, Math.sin(angle) * out)
    })
    wheel.add(new THREE.Line(new THREE.BufferGeometry().setFromPoints(round), rings))
  }
  thrown = [neo.params.belly, neo.params.neck].join()
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
  if (thrown !== [neo.params.belly, neo.params.neck].join()) shape()
  wheel.rotation.y = time / 900
  wheel.rotation.z = Math.sin(time / 900) * 0.012
  renderer.render(scene, camera)
})
