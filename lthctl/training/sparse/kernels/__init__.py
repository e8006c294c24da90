"""The kernels of the sparse engine: training steps and evaluations of an MLP, compiled.

They know flat arrays and where the layers of a network stand in them; `layout` lays them out. They
know no specifications, masks or files. Importing them imports numba. Python calls two of them,
`steps.train` and `steps.evaluate`.

In most products of a training step one operand is mostly zeros: a pruned layer's *weights*, or else
the *pixels* that enter a dense first layer (81 % of MNIST's). The same two kernels serve both, with
the operands exchanged:

- `multiply`, a sparse matrix times dense columns: the forward pass and the input gradient of a
  pruned layer, the forward pass and (row by row, as `add_row`) the weight gradient of a dense first
  layer;
- `sample`, the entries of a dense product at a sparse matrix's positions: the weight gradient of a
  pruned layer.

Behind a ReLU only half of the units are 0, and skipping them costs as much as it saves: all three
products of a dense layer further up are dense (`add_dense`), in blocks of sums that stay in
registers. So are the two of a dense first layer whose images have few pixels of 0.

Dense operands are cut into *panels* of 16 rows, so that a column of a panel is one vector of 16
floats (one AVX-512 register, two of AVX2, four of NEON), and stored in *strips* of up to four
panels side by side: `[row // 64][column][row % 64]`, the last strip as broad as what is left. So
one address leads to all that a weight or a pixel is multiplied with. Rows are samples in
activations and gradients, outputs in a dense layer's weights.

All the steps between two calls of `on_step` are one compiled call, without the interpreter lock and
without allocation: trainings run side by side in threads and share the images. Sums have one fixed
order, so results are the same bits from run to run, and with AVX-512 as with AVX2 alone (`WIDE`),
which differ in what is kept in registers; on others they may differ by rounding.

The compiled code is kept on disk until a file of this folder changes (`compiling`). So kernels and
the constants that they read are all in this folder.
"""
