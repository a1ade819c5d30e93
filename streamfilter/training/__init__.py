"""Reading the label pictures, and teaching the network from them."""
