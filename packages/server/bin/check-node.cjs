// Plain old JavaScript: it has to run on the Node that is too old.
var least = 24
if (Number(process.versions.node.split('.')[0]) < least) {
  console.error(
    'Attaché needs Node.js ' +
      least +
      ' or newer and this is ' +
      process.versions.node +
      '. In the project run `npm ci`, then use its npm scripts, which bring their own Node; elsewhere install Node ' +
      least +
      '.',
  )
  process.exit(2)
}
