"""What the lattice needs above its kernels: fields, their coarse lattices, and threads that share the work out."""
